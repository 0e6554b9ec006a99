"""`copierd simulator`: the look-alike on a port of this machine, for whoever writes a client or tests ours."""

from __future__ import annotations

import json
import random
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

import trio

from daemon.simulator.broker import Broker
from daemon.simulator.faults import Act, Faults, FaultsInvalid
from daemon.simulator.server import Server, serve_tcp
from daemon.simulator.trader import walk

_ACCOUNTS = 4  # a leader and three followers for every user who logs in
_UNAVAILABLE, _CONFIG = 69, 78  # sysexits.h


def run_simulator(*, port: int, faults: Path | None = None) -> int:
    """Serves until SIGINT or SIGTERM; SIGUSR1 prints what it has counted.

    0, 69 when the port cannot be had, 78 when the file of faults is wrong.
    """
    try:
        found = Faults.from_toml(faults.read_text()) if faults else Faults()
    except (OSError, UnicodeDecodeError) as unreadable:
        why = unreadable.strerror if isinstance(unreadable, OSError) else "this is not UTF-8"
        print(f"{faults}: cannot be read: {why}. Name another file with --faults", file=sys.stderr)
        return _CONFIG
    except FaultsInvalid as wrong:
        return _refused(faults, wrong)
    dice = random.Random()
    broker = Broker.build({}, now=lambda: datetime.now(UTC), dice=dice, faults=found, newcomer_accounts=_ACCOUNTS)
    broker.entities.begin_after(broker.now())
    status = 0
    try:
        trio.run(_serve, broker, dice, port, faults)
    except* OSError as group:
        error = _first(group)
        words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        print(f"port {port}: {words}. Choose another with --port; 0 takes any free one", file=sys.stderr)
        status = _UNAVAILABLE
    except* FaultsInvalid as group:  # which acts there are is known to the house alone
        status = _refused(faults, _first(group))
    return status


def _refused(faults: Path | None, wrong: BaseException) -> int:
    line = wrong.line if isinstance(wrong, FaultsInvalid) else None
    print(f"{faults}:{line}: {wrong}" if line else f"{faults}: {wrong}", file=sys.stderr)
    return _CONFIG


def _first(error: BaseException) -> BaseException:
    """What went wrong, out of the groups that the nurseries around it have wrapped it in."""
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


async def _serve(broker: Broker, dice: random.Random, port: int, faults: Path | None) -> None:
    server = Server(broker)

    def undone(act: Act, error: Exception) -> None:
        why = f"there is no {error.args[0]!r} now" if isinstance(error, KeyError) else str(error)
        there = f"; the accounts are {', '.join(broker.account_ids) or 'none yet: nobody has logged in'}"
        print(f"{faults}:{act.line}: acts: {act.act}: not done: {why}{there}", file=sys.stderr, flush=True)

    server.on_failed_act = undone
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGUSR1) as signals:
        async with trio.open_nursery() as nursery:
            bound = await nursery.start(serve_tcp, server, "127.0.0.1", port)
            nursery.start_soon(walk, broker, tuple(broker.exchange.last), dice)
            print(f"REST http://127.0.0.1:{bound}/v1, WebSocket ws://127.0.0.1:{bound}/v1/websocket", flush=True)
            print(f"OAuth http://127.0.0.1:{bound}/oauth, tokens http://127.0.0.1:{bound}/auth/oauthtoken", flush=True)
            print(f"Any user with any password may log in and gets {_ACCOUNTS} accounts.", flush=True)
            async for number in signals:
                if number == signal.SIGUSR1:
                    print(json.dumps(_counted(server)), flush=True)
                else:
                    nursery.cancel_scope.cancel()


def _counted(server: Server) -> dict[str, object]:
    """What the clients have done so far, on one line of JSON."""
    return {
        "token_requests": dict(server.token_requests),
        "renewals": dict(server.renewals),
        "sockets": server.sockets_opened,
        "calls": dict(server.calls),
    }
