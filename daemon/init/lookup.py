"""Which accounts a login has, asked at the broker with the daemon's own keeper of tokens and its REST calls.

It opens a session there, once. Nothing of it is kept: the state directory may be another user's.

Rule: what the broker says is shown at a terminal. It goes there without what was asked with, should it say that again,
      and without what a terminal would obey.
"""

from __future__ import annotations

import attrs
import trio

from daemon.control.tables import plain
from daemon.init.draft import Draft
from daemon.init.silence import Silence
from daemon.journal import Masks
from daemon.ledger import Ledger
from daemon.ledger.schema import MEMORY
from daemon.logins.budget import Budget
from daemon.logins.grants import PasswordGrant
from daemon.logins.tokens import NoToken, Tokens
from daemon.ports import Ports
from daemon.tradovate.answers import Credentials, Said
from daemon.tradovate.rest import Rest
from daemon.wiring import addresses_of, home_of
from statecharts.states import Cause

QUESTION, OK = "account/list", 200


def accounts_at(draft: Draft, credentials: Credentials) -> tuple[str, ...] | Silence:
    """The names of the login's accounts that are not closed, in order."""
    masks = Masks()
    for secret in (credentials.password, credentials.sec):
        masks.add(secret)
    found: tuple[str, ...] | Silence | None = None
    try:
        found = trio.run(_asked, draft, credentials, masks, Ports.real())
    except* KeyboardInterrupt:
        pass  # raised again below, without the groups that nurseries wrap it in
    if found is None:
        raise KeyboardInterrupt
    if isinstance(found, Silence):
        return attrs.evolve(found, why=plain(masks.clean(found.why)))
    return found


async def _asked(draft: Draft, credentials: Credentials, masks: Masks, ports: Ports) -> tuple[str, ...] | Silence:
    memory = Ledger.open(MEMORY)
    rest = Rest(ports.network.http(), draft.environment.rest)
    name = draft.login.login
    tokens = Tokens(
        login=name,
        grant=PasswordGrant(rest, lambda: credentials, memory),
        store=memory,
        ports=ports,
        budget=Budget(ports.wall, memory),
        tell=lambda event, words, remedy=None: None,
        conceal=masks.add,
        home=home_of(draft.config, name, addresses_of(draft.environment), memory, ports, rest),
    )
    found: tuple[str, ...] | Silence
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tokens.keep_fresh)
            try:
                found = await _listed(rest, (await tokens.valid()).text)
            except NoToken as nothing:
                advice = f" ({nothing.advice.replace('LOGIN', name)})" if nothing.advice else ""
                found = Silence(nothing.reason + advice, nothing.final and nothing.cause is Cause.CREDENTIALS)
            nursery.cancel_scope.cancel()
    finally:
        with trio.CancelScope(shield=True), trio.move_on_after(2):  # seconds: an idle connection closes at once
            await rest.close()
        memory.close()
    return found


async def _listed(rest: Rest, token: str) -> tuple[str, ...] | Silence:
    said = await rest.question(QUESTION, token)
    if not isinstance(said, Said):
        return Silence(said.reason)
    if said.status != OK or not isinstance(said.data, list):
        return Silence(f"{QUESTION} was answered with HTTP {said.status}")
    rows = [row for row in said.data if isinstance(row, dict) and row.get("active") is not False]
    names = [str(row["name"]) for row in rows if row.get("name")]
    return tuple(sorted(name for name in names if name.isprintable()))
