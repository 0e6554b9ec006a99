"""`copierctl accounts` and `copierctl positions`: who is who, and who holds what, one line each."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from daemon.control.client import Client
from daemon.control.deeds import print_json, segment
from daemon.control.tables import console, plain

Json = dict[str, Any]


def show_accounts(client: Client, *, as_json: bool) -> None:
    """Raises NoDaemon."""
    status = client.get("/v1/status")
    if as_json:
        print_json({"accounts": status["accounts"], "copies": status["copies"]})
    else:
        console(sys.stdout).print(accounts(status))


def show_positions(client: Client, account: str | None, *, as_json: bool) -> None:
    """Of one account, or of all (None). Raises NoDaemon and Refused."""
    names = [one["account"] for one in client.get("/v1/status")["accounts"]] if account is None else [account]
    found = [client.get(f"/v1/accounts/{segment(name)}") for name in names]
    if as_json:
        print_json({"positions": {one["account"]: one["contracts"] for one in found}})
    else:
        console(sys.stdout).print(positions(found))


def accounts(status: Json) -> Table:
    """Who copies whom, where, and whether orders go out."""
    follows = {name: copy for copy in status["copies"] for name in copy["followers"]}
    table = _table("account", "broker's name", "login", "environment", "role", "copy", "orders")
    for account in status["accounts"]:
        copy = follows.get(account["account"])
        table.add_row(
            *_cells(
                account["account"],
                account["name"],
                account["login"],
                account["environment"],
                account["role"],
                f"{copy['copy']}: {copy['leader']}" if copy else "-",
                _orders(account),
            )
        )
    return table


def _orders(account: Json) -> str:
    if account["role"] == "leader":
        return "never sent"
    if account["shadow"]:
        return "shadow" if account["armed"] else "not armed"
    return str(account["orders"])


def positions(found: Iterable[Json]) -> Table:
    """Of accounts in full: whose each position is, and what it would be."""
    table = _table("account", "contract", "position", "ours", "not ours", "target", "orders", "waits")
    for account in found:
        for one in account["contracts"]:
            table.add_row(*_cells(account["account"], *_contract(one, account["role"])))
    return table


def _contract(one: Mapping[str, Any], role: str) -> tuple[str, ...]:
    position = f"{one['position']:+d}" if one["position"] else "0"
    if role == "leader":
        return one["symbol"], position, "-", "-", "-", "-", ""
    target = "?" if one["target"] is None else f"{one['target']:+d}" if one["target"] else "0"
    return (
        one["symbol"],
        position,
        f"{one['ours']:+d}" if one["ours"] else "0",
        f"{one['theirs']:+d}" if one["theirs"] else "-",
        target,
        str(one["orders"]),
        one["closing"] or one["waits"] or "",
    )


def _table(*names: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in names:
        table.add_column(name, no_wrap=True, overflow="ellipsis")
    return table


def _cells(*cells: str) -> list[Text]:
    return [Text(plain(cell)) for cell in cells]
