"""What the accounts of one login tell each other: a permission that one of them lacks is the login's.

Rule 1: what is told is an event in each account's inbox, and its chart decides; a sentence here decides nothing.
Rule 2: the operator hears of denied orders once for a login, with the causes, the likeliest first.
"""

from __future__ import annotations

from collections.abc import Mapping

from daemon.bulletins import Board
from daemon.config import Config
from daemon.ledger import Ledger
from daemon.wiring import Running
from statecharts.bars import Bar
from statecharts.events import LoginEvent, OrdersDenied

SHOWN = 8  # characters of a device id: enough to tell it from another


def tell(event: LoginEvent, config: Config, accounts: Mapping[str, Running], board: Board, ledger: Ledger) -> None:
    """Passes the event on to the other followers of the login."""
    login = config.accounts[event.account].login
    others = [one for name, one in accounts.items() if name != event.account and one.config.login == login]
    if isinstance(event, OrdersDenied):
        if any(Bar.DENIED in one.account.book.barred for one in others):
            return  # they know, and so does the operator
        _tell_operator(event, login, config, board, ledger)
    for one in others:
        if one.account.rules.copy is not None:
            one.runner.post(event)


def _tell_operator(event: OrdersDenied, login: str, config: Config, board: Board, ledger: Ledger) -> None:
    board.tell(
        "orders.denied",
        f"Order refused on {event.account}: {event.reason}, though reads work. Nothing opens on the accounts of login "
        f"{login} any more; exits are tried all the same. {likeliest(login, config, ledger)}. Else: the login's market "
        "data subscription, the account's name in copier.toml, the firm's permission",
        severity="warning",
        account=event.account,
        login=login,
        reason=event.reason,
        remedy=f"ask copierd doctor --login {login} which it is. When it is mended: copierctl resume {event.account}",
    )


def likeliest(login: str, config: Config, ledger: Ledger) -> str:
    """Why a login that may read may not trade. (Tradovate's staff and FAQ: on live, nine times of ten the device.)"""
    settings = config.logins[login]
    if settings.grant == "oauth":
        return "Most likely the application was registered without Full Access to Orders"
    if config.environments[settings.environment].live:
        device = settings.device_id or ledger.device(login) or "of this machine"
        return f"Most likely device {device[:SHOWN]}... is not approved: open Tradovate's e-mail and approve it"
    return "Most likely the API key has no Full Access to Orders: edit the key at Tradovate, then get a new token"
