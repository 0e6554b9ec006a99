"""copierd's command line. Each command imports what it needs when it is called: `check` must not wait for trio."""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from daemon import __version__, places
from daemon.exits import Exit
from daemon.streams import delivered

_DEFAULT_FILE = "default: ./copier.toml, else /etc/copierd/copier.toml"

# What `init` takes instead of an answer. A secret is never among them: everybody may read a program's arguments.
_INIT = (
    ("environment", "NAME", "demo, live, simulator, or a name for another, which then needs --rest"),
    ("rest", "ADDRESS", "of an environment of your own: where it answers REST, up to /v1"),
    ("websocket", "ADDRESS", "of an environment of your own (default: made of the one for REST)"),
    ("grant", "GRANT", "password (default) or oauth"),
    ("login", "NAME", "what the file shall call the login (default: made of the username)"),
    ("username", "NAME", "the user at the broker"),
    ("app-id", "NAME", "the application that the API key was registered for (default: copierd)"),
    ("app-version", "VERSION", "its version (default: 1.0)"),
    ("cid", "NUMBER", "of the API key"),
    ("client-id", "NUMBER", "oauth: of the registered application"),
    ("redirect-uri", "ADDRESS", "oauth: as it was registered, on this machine"),
    ("device-id", "ID", "one that the broker knows already (default: a new one)"),
    ("password-file", "FILE", "holds the password, and only its owner may read it; - takes a line of standard input"),
    ("sec-file", "FILE", "holds the API key's secret, or - as above"),
    ("client-secret-file", "FILE", "oauth: holds the application's secret, or - as above"),
    ("secrets-in", "DIRECTORY", "where to write the secrets that are in no file yet (default: ~/.config/copierd)"),
    ("leader", "NAME", "the account that leads, by the broker's name"),
    ("mode", "MODE", "orders (default) or fills"),
)


_FAULTS = (
    "what it shall do wrong (TOML), such as idle_limit = 10.0, and acts with their time, such as [[acts]] with "
    'after = 30.0 and act = "drop_sockets"; an unknown one is refused with all that there are'
)


class CommandLine(argparse.ArgumentParser):
    """argparse exits with 2 on a usage error, which systemd takes for INVALIDARGUMENT; sysexits.h says 64."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Also of each command: whoever has typed one and asks for the version need not begin again."""
        super().__init__(*arguments, **options)
        if options.get("add_help", True):
            name = self.prog.partition(" ")[0]
            self.add_argument("--version", action="version", version=f"{name} {__version__}")

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        end = "" if message.endswith("?") else "."
        self.exit(Exit.USAGE, f"{self.prog}: {message}{end} What there is: {self.prog} --help\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status. Usage errors, --help and --version leave by SystemExit."""
    return delivered("copierd", lambda: _obeyed(arguments))


def _obeyed(arguments: Sequence[str] | None) -> int:
    options = parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except KeyboardInterrupt:  # before a command has its own way to end, or in one that needs none
        return Exit.INTERRUPTED


def parser() -> CommandLine:
    """Also what the completions and the man page are made of."""
    top = CommandLine(prog="copierd", description="Copies futures orders from a leader account to follower accounts.")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)

    words = (
        "Run the daemon until SIGTERM or SIGINT; SIGHUP reads the configuration again. Exit status 0 after a clean "
        "stop, 78 for a configuration with errors, 69 for a state directory or a socket that is in use or unusable, "
        "70 for a bug."
    )
    run = commands.add_parser("run", help="the daemon, in the foreground", description=words)
    run.add_argument("--config", metavar="FILE", type=Path, help=_DEFAULT_FILE)
    run.set_defaults(command=_run)

    words = (
        "Read the configuration and print who copies whom with what, and what is armed. "
        "Exit status 0 when it is valid, 78 when not."
    )
    check = commands.add_parser("check", help="read the configuration and say what it means", description=words)
    check.add_argument("file", metavar="FILE", nargs="?", type=Path, help=_DEFAULT_FILE)
    check.set_defaults(command=_check)

    words = (
        "Ask a few questions on a terminal, or take the flags, and write a configuration and its secret files. The "
        "accounts are looked up at the broker, which opens a session there. What is written sends no order yet. Exit "
        "status 73 when a file is there already: nothing is overwritten."
    )
    init = commands.add_parser("init", help="write a first configuration", description=words)
    init.add_argument("file", metavar="FILE", nargs="?", type=Path, help="what to write (default: ./copier.toml)")
    for flag, metavar, words in _INIT:
        init.add_argument(f"--{flag}", metavar=metavar, help=words)
    words = "an account that follows, by the broker's name; RATIO is its size to the leader's (default: 1). Repeatable"
    init.add_argument("--follower", metavar="NAME[=RATIO]", action="append", default=[], dest="followers", help=words)
    init.add_argument("--offline", action="store_true", help="do not ask the broker which accounts there are")
    init.set_defaults(command=_init)

    words = (
        "Run the daemon on an embedded simulator with a scripted session, then reconcile every account. "
        "Exit status 0 when every follower ends where it should, else 1."
    )
    demo = commands.add_parser("demo", help="see it work, without an account at a broker", description=words)
    demo.add_argument("--seconds", metavar="N", type=_positive, help="how long the session lasts")
    demo.add_argument("--keep", action="store_true", help="keep the state directory and say where it is")
    demo.set_defaults(command=_demo)

    words = "Run the simulator of the broker alone, on a port of this machine."
    simulator = commands.add_parser("simulator", help="the simulated broker alone", description=words)
    simulator.add_argument("--port", metavar="P", type=_port, required=True, help="0 takes any free one")
    simulator.add_argument("--faults", metavar="FILE", type=Path, help=_FAULTS)
    simulator.set_defaults(command=_simulator)

    words = "Run Tradovate's conformance lists, stages 1 and 2, against a login's environment, and report."
    certify = commands.add_parser("certify", help="Tradovate's conformance tests, with a report", description=words)
    certify.add_argument("--login", metavar="L", required=True, help="whose environment and credentials")
    certify.add_argument("--config", metavar="FILE", type=Path, help=_DEFAULT_FILE)
    words = "also on live, and while a daemon holds the login: the session of the run may push out another"
    certify.add_argument("--evict", action="store_true", help=words)
    certify.add_argument("--thorough", action="store_true", help="also wait until a silent connection is closed")
    words = "for how long the connection must hold (default: 20, at least 6)"
    certify.add_argument("--seconds", metavar="N", type=_window, default=20.0, help=words)
    certify.add_argument("--json", action="store_true", help="the report as JSON instead of Markdown")
    words = "write the report to FILE.md and FILE.json, or to FILE alone when that is its ending"
    certify.add_argument("-o", "--output", metavar="FILE", type=Path, help=words)
    certify.set_defaults(command=_certify)

    words = "Test every known cause of trouble, one by one, each with its remedy. Places no order. Exit status 0 or 1."
    doctor = commands.add_parser("doctor", help="what is wrong, and what to do about it", description=words)
    doctor.add_argument("--config", metavar="FILE", type=Path, help=_DEFAULT_FILE)
    doctor.add_argument("--login", metavar="L", help="this login alone (default: all)")
    doctor.add_argument("--offline", action="store_true", help="only what can be told without asking the broker")
    doctor.add_argument("--json", action="store_true", help="the findings as JSON")
    doctor.set_defaults(command=_doctor)

    words = (
        "Close what was copied when no daemon runs. While one runs: copierctl flatten. Exit status 0 flat, 3 not flat."
    )
    flatten = commands.add_parser("flatten", help="close what was copied, when no daemon runs", description=words)
    words = "needed: it takes the state directory, and connects the followers by itself"
    flatten.add_argument("--offline", action="store_true", required=True, help=words)
    flatten.add_argument("--config", metavar="FILE", type=Path, help=_DEFAULT_FILE)
    words = "how long it may take (default: 60s)"
    flatten.add_argument("--wait", metavar="DURATION", type=_duration, default=60.0, help=words)
    flatten.set_defaults(command=_flatten)

    words = (
        "Run the recorded turns of a ledger through today's code and configuration; print how the decisions differ. "
        "Each is decided from the state in which it was recorded, so one difference does not bring about the next. "
        "Words are not compared. The ledger is only read, also while a daemon writes it; nothing is sent. "
        "Exit status 0 the same, 1 different."
    )
    replay = commands.add_parser("replay", help="what today's code and configuration would do", description=words)
    replay.add_argument("--ledger", metavar="FILE", type=Path, required=True, help="a ledger.sqlite, or a copy of one")
    replay.add_argument("--config", metavar="FILE", type=Path, help=_DEFAULT_FILE)
    replay.add_argument("--json", action="store_true", help="a JSON object for each difference, and one of the sums")
    replay.set_defaults(command=_replay)

    words = "Is the market open, when is the next edge, and how sure is the table? Exit status 0 open, 1 closed."
    hours = commands.add_parser("hours", help="is the market open, and until when", description=words)
    hours.add_argument("--group", metavar="G", help="a product group; without one all, and equity_index decides")
    hours.add_argument("--at", metavar="T", help="an instant of ISO 8601 with its offset (default: now)")
    hours.add_argument("--config", metavar="FILE", type=Path, help=f"whose [[market_hours]] count; {_DEFAULT_FILE}")
    hours.set_defaults(command=_hours)
    return top


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds above 0")
    return number


def _duration(text: str) -> float:
    from daemon.config import durations

    try:
        return durations.parse(text).total_seconds()
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}; write it with its unit, such as 60s") from error


def _window(text: str) -> float:
    number = _positive(text)
    if number < 6:
        raise argparse.ArgumentTypeError(f"{text} s are too few: two heartbeats take 5")
    return number


def _port(text: str) -> int:
    port = int(text) if text.isascii() and text.isdigit() else -1
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is not a port (0 to 65535)")
    return port


def _run(options: argparse.Namespace) -> int:
    # To look for garbage while modules are loaded takes a tenth of the start. The daemon looks once, when all are.
    gc.disable()
    from daemon.process import run_daemon

    return run_daemon(options.config or places.configuration())


def _check(options: argparse.Namespace) -> int:
    from daemon.check import run_check

    return run_check(options.file or places.configuration())


def _init(options: argparse.Namespace) -> int:
    from daemon.init import Wish, run_init

    said = {name: value for name, value in vars(options).items() if name not in ("file", "command")}
    said["followers"] = tuple(said["followers"])
    return run_init(options.file or Path("copier.toml"), Wish(**said))


def _demo(options: argparse.Namespace) -> int:
    from daemon.demo import run_demo

    return run_demo(seconds=options.seconds, keep=options.keep)


def _simulator(options: argparse.Namespace) -> int:
    from daemon.simulator.alone import run_simulator

    return run_simulator(port=options.port, faults=options.faults)


def _flatten(options: argparse.Namespace) -> int:
    from daemon.offline import run_offline

    return run_offline(options.config or places.configuration(), options.wait)


def _replay(options: argparse.Namespace) -> int:
    from daemon.replay import run_replay

    return run_replay(options.ledger, options.config or places.configuration(), options.json)


def _hours(options: argparse.Namespace) -> int:
    from daemon.hours import run_hours

    return run_hours(group=options.group, at=options.at, config=options.config)


def _doctor(options: argparse.Namespace) -> int:
    from daemon.doctor import Wish, run_doctor

    wish = Wish(login=options.login, offline=options.offline, as_json=options.json)
    return run_doctor(options.config or places.configuration(), wish)


def _certify(options: argparse.Namespace) -> int:
    from daemon.certify import Wish, run_certify

    wish = Wish(
        login=options.login,
        evict=options.evict,
        thorough=options.thorough,
        seconds=options.seconds,
        as_json=options.json,
        out=options.output,
    )
    return run_certify(options.config or places.configuration(), wish)
