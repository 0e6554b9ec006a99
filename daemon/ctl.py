"""`copierctl`: what an operator asks of a running daemon, and the exit statuses that scripts rely on.

Rule 1: what was asked for goes to standard output, why it was not had goes to standard error.
Rule 2: it reads and passes on; the daemon decides.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from daemon.cli import CommandLine
from daemon.control import listings, tables, telling
from daemon.control.archive import Archive
from daemon.control.client import Client, NoDaemon, Refused, sockets
from daemon.control.consent import Consent
from daemon.control.deeds import FOR_ALL, OF_A_SYMBOL, VERBS, Deeds, followers
from daemon.control.getting_out import GettingOut, Wish
from daemon.control.telling import Events
from daemon.control.watching import Copies, Status
from daemon.exits import Exit
from daemon.streams import delivered

_ACCOUNT = "its name in copier.toml"


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status. Usage errors, --help and --version leave by SystemExit."""
    return delivered("copierctl", lambda: _obeyed(arguments))


def _obeyed(arguments: Sequence[str] | None) -> int:
    options = parser().parse_args(arguments)
    client = Client(sockets(getattr(options, "socket", None)))
    command: Callable[[Client, argparse.Namespace], int] = options.command
    try:
        return command(client, options)
    except Refused as refused:
        print(f"copierctl: {tables.plain(refused)}", file=sys.stderr)
        return Exit.USAGE if refused.unreadable else Exit.FAILED
    except NoDaemon as nobody:
        print(f"copierctl: {tables.plain(nobody)}", file=sys.stderr)
        return Exit.NO_DAEMON
    except KeyboardInterrupt:
        return Exit.OK  # the way to end --watch and --follow


def parser() -> CommandLine:
    """Also what the completions and the man page are made of."""
    everywhere = CommandLine(add_help=False, argument_default=argparse.SUPPRESS)
    words = "the daemon's control socket (default: $COPIERD_SOCKET, else where it usually is)"
    everywhere.add_argument("--socket", metavar="PATH", type=Path, help=words)
    everywhere.add_argument("--json", action="store_true", help="for programs: the daemon's own answer")
    description = "Ask a running copierd, or tell it what to do."
    statuses = "Exit status 0 done, 1 refused, 2 no copierd answers, 3 not flat, 64 usage."
    top = CommandLine(prog="copierctl", description=description, epilog=statuses, parents=[everywhere])
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name: str, words: str, run: Callable[[Client, argparse.Namespace], int]) -> argparse.ArgumentParser:
        description = f"{words[0].upper()}{words[1:]}."
        made = commands.add_parser(name, help=words, description=description, parents=[everywhere])
        made.set_defaults(command=run)
        return made

    status = command("status", "show what every account does, one line each", _status)
    mode = status.add_mutually_exclusive_group()
    mode.add_argument("--watch", action="store_true", help="again every second, until Ctrl-C")
    mode.add_argument("--check", action="store_true", help="exit 0 when all are Connected or in maintenance")
    mode.add_argument("--ready", action="store_true", help="exit 0 when all are copying")

    copies = command("copies", "show what was copied, and what was not and why, the newest last", _copies)
    copies.add_argument("--follow", action="store_true", help="and what comes, until Ctrl-C")
    copies.add_argument("--limit", metavar="N", type=_whole, default=20, help="how many (default: 20, at most 500)")
    copies.add_argument("--follower", metavar="ACCOUNT", help="of this account only")
    copies.add_argument("--outcome", metavar="OUTCOME", help="with this outcome only, such as filled or skipped")

    events = command("events", "show what the operator was told, the newest last", _events)
    events.add_argument("--follow", action="store_true", help="and what comes, until Ctrl-C")
    events.add_argument("--limit", metavar="N", type=_whole, default=20, help="how many (default: 20, at most 500)")

    why = command("why", "show how it came to a copy, or to none", _why)
    words = "of a copy (copierctl copies --json), or the number of an order: of ours, or of the leader's"
    why.add_argument("id", metavar="ID", help=words)

    command("metrics", "show the figures that Prometheus reads", _metrics)

    report = command("report", "put what support needs to see into one archive; it holds no secret", _report)
    report.add_argument(
        "-o", metavar="FILE", dest="file", type=Path, help="where to (default: copierd-report-TIME.tar.gz)"
    )

    command("accounts", "show which account is which, and who copies whom", _accounts)
    positions = command("positions", "show who holds what, and whose it is", _positions)
    positions.add_argument("account", metavar="ACCOUNT", nargs="?", help="of this account only")

    for verb, (words, _) in VERBS.items():
        deed = command(verb, words, _deed)
        deed.set_defaults(verb=verb)
        which = deed.add_mutually_exclusive_group(required=True)
        which.add_argument("account", metavar="ACCOUNT", nargs="?", help=_ACCOUNT)
        if verb in FOR_ALL:
            which.add_argument("--all", action="store_true", help="every follower")
        if verb == "reconnect":
            which.add_argument("--login", metavar="LOGIN", help="a new connection for all accounts of this login")

    flatten = command("flatten", "get out: cancel and close what was copied, and stay out until resume", _flatten)
    which = flatten.add_mutually_exclusive_group(required=True)
    which.add_argument("account", metavar="ACCOUNT", nargs="?", type=_named, help=_ACCOUNT)
    which.add_argument("--copy", metavar="NAME", help="all followers of this copy")
    which.add_argument("--all", action="store_true", help="all followers")
    flatten.add_argument("symbol", metavar="SYMBOL", nargs="?", type=_named, help="this contract alone, such as MESZ6")
    flatten.add_argument("--yes", action="store_true", help="do not ask")
    flatten.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    words = "how long to wait until it is verified (default: 30s)"
    flatten.add_argument("--wait", metavar="DURATION", type=_seconds, default=30.0, help=words)

    for verb, (words, _) in OF_A_SYMBOL.items():
        deed = command(verb, words, _of_symbol)
        deed.set_defaults(verb=verb)
        deed.add_argument("account", metavar="ACCOUNT", help=_ACCOUNT)
        deed.add_argument("symbol", metavar="SYMBOL", type=_named, help="the follower's contract, such as MESZ6")

    command("reload", "read the configuration again; one with an error changes nothing", _reload)

    authorize = command(
        "authorize", "give a login a new credential: in a browser, or by the secret as it is now", _authorize
    )
    authorize.add_argument("login", metavar="LOGIN", help="its name in copier.toml")
    authorize.add_argument("--complete", metavar="URL", help="the address that the browser ended on")
    return top


def _as_json(options: argparse.Namespace) -> bool:
    return getattr(options, "json", False)


def _status(client: Client, options: argparse.Namespace) -> int:
    status = Status(client, _as_json(options))
    if options.watch:
        return status.watch()
    if options.check:
        return status.check()
    return status.ready() if options.ready else status.once()


def _copies(client: Client, options: argparse.Namespace) -> int:
    copies = Copies(client, _as_json(options), {"follower": options.follower, "outcome": options.outcome})
    return copies.follow(options.limit) if options.follow else copies.once(options.limit)


def _events(client: Client, options: argparse.Namespace) -> int:
    events = Events(client, _as_json(options))
    return events.follow(options.limit) if options.follow else events.once(options.limit)


def _why(client: Client, options: argparse.Namespace) -> int:
    return telling.why(client, options.id, as_json=_as_json(options))


def _metrics(client: Client, options: argparse.Namespace) -> int:
    return telling.metrics(client, as_json=_as_json(options))


def _report(client: Client, options: argparse.Namespace) -> int:
    return Archive(client, options.file, _as_json(options)).write()


def _accounts(client: Client, options: argparse.Namespace) -> int:
    listings.show_accounts(client, as_json=_as_json(options))
    return Exit.OK


def _positions(client: Client, options: argparse.Namespace) -> int:
    listings.show_positions(client, options.account, as_json=_as_json(options))
    return Exit.OK


def _deed(client: Client, options: argparse.Namespace) -> int:
    deeds = Deeds(client, _as_json(options))
    if getattr(options, "all", False):
        return deeds.each(options.verb, followers(client))
    if getattr(options, "login", None) is not None:
        return deeds.reconnect(options.login)
    return deeds.one(options.verb, options.account)


def _of_symbol(client: Client, options: argparse.Namespace) -> int:
    return Deeds(client, _as_json(options)).of_symbol(options.verb, options.account, options.symbol)


def _reload(client: Client, options: argparse.Namespace) -> int:
    return Deeds(client, _as_json(options)).reload()


def _flatten(client: Client, options: argparse.Namespace) -> int:
    wish = Wish(
        account=options.account,
        symbol=options.symbol,
        copy=options.copy,
        wait=options.wait,
        yes=options.yes,
        dry_run=options.dry_run,
        as_json=_as_json(options),
    )
    return GettingOut(client, wish).run()


def _named(text: str) -> str:
    """Real world: a script whose variable is not set says "", which must not be taken for all there is."""
    if not text.strip():
        raise argparse.ArgumentTypeError("an empty name names nothing; was a variable not set?")
    return text


def _whole(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def _seconds(text: str) -> float:
    from daemon.config import durations  # with it comes all that reads a configuration, which no other command needs

    try:
        return durations.parse(text).total_seconds()
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}; write it with its unit, such as 30s") from error


def _authorize(client: Client, options: argparse.Namespace) -> int:
    consent = Consent(client, options.login, _as_json(options))
    return consent.begin() if options.complete is None else consent.complete(options.complete)


if __name__ == "__main__":
    sys.exit(main())
