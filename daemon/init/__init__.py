"""`copierd init`: asks a few questions on a terminal, or takes flags, and writes a configuration with its secret files.

Rule 1: nothing is overwritten, and nothing is written before everything is known and would pass `copierd check`.
Rule 2: a secret is typed without echo, or comes from a file, from the environment or through a pipe; never as an
        argument, which everybody on the machine could read.
Rule 3: what it writes sends no order: on demo and live the followers are not armed, elsewhere they are shadows. The
        embedded simulator alone trades, where no money is.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from daemon.check import report
from daemon.config import Config, ConfigErrors, loads
from daemon.exits import Exit
from daemon.init import further
from daemon.init.draft import Draft
from daemon.init.files import Files, Occupied
from daemon.init.interview import Interview, NothingWritten
from daemon.init.terminal import Terminal
from daemon.init.wish import Unusable, Wish

__all__ = ["Wish", "run_init"]


def run_init(path: Path, wish: Wish) -> int:
    """0; 73 when a file is there already or cannot be made; 64 when a flag is wrong, or one that is needed is missing;
    1 when the broker has refused what was given, or the questions were left."""
    files = Files(path, Path(wish.secrets_in) if wish.secrets_in else None)
    try:
        files.check(path)
        terminal = Terminal() if sys.stdin.isatty() and sys.stdout.isatty() else None
        if terminal is None:
            wish.check_whole(os.environ)
        draft, secrets = further.held(Interview(files, wish, terminal, os.environ))
        text = draft.text()
        config = loads(text, path)
        files.write(text, secrets)
    except Occupied as occupied:
        return _refused(str(occupied), Exit.CANNOT_CREATE)
    except Unusable as wrong:
        return _refused(f"{wrong}\ncopierd init --help tells them all", Exit.USAGE)
    except NothingWritten as end:
        return _refused(f"{end}. Nothing was written")
    except KeyboardInterrupt:
        return _refused("interrupted. Nothing was written", Exit.INTERRUPTED)
    except EOFError:
        return _refused("there is no more input. Nothing was written")
    except ConfigErrors as errors:  # such as more followers than one login's requests are enough for
        return _refused(f"nothing was written, for this would be wrong with it:\n{errors}", Exit.CONFIG)
    except OSError as error:
        return _refused(f"{error.filename or path} cannot be made: {error.strerror}", Exit.CANNOT_CREATE)
    print("\n".join(_told(path, config, draft, files, secrets)))
    return Exit.OK


def _refused(why: str, status: Exit = Exit.FAILED) -> Exit:
    print(f"copierd init: {why}", file=sys.stderr)
    return status


def _told(path: Path, config: Config, draft: Draft, files: Files, secrets: dict[Path, str]) -> Iterator[str]:
    yield ""
    yield f"Written: {path}"
    for secret in secrets:
        yield f"Written: {secret} (only its owner may read it)"
    yield ""
    yield from report(path, config, files.environ)
    yield ""
    yield "What to do next:"
    for command, words in _next(path, draft, files.of_the_system):
        yield f"  {command:<43} {words}".rstrip()


def _next(path: Path, draft: Draft, of_the_system: bool) -> Iterator[tuple[str, str]]:
    ctl = "copierctl"
    outside = [one for one in draft.all if not one.environment.embedded]
    if outside:
        yield f"copierd doctor --config {path}", "tests every known cause of trouble; sends no order"
    if of_the_system and path.name == "copier.toml":
        yield "systemctl enable --now copierd", "runs it, now and after each boot"
    elif of_the_system:
        yield f"systemctl enable --now copierd@{path.stem}", "runs it, now and after each boot"
        ctl = f"copierctl --socket /run/copierd-{path.stem}/control.sock"
    else:
        yield f"copierd run --config {path}", "runs it, until Ctrl-C"
    for one in draft.all:
        if one.login.grant == "oauth":
            yield f"{ctl} authorize {one.login.login}", "while it runs: the permission, given in a browser"
    yield f"{ctl} status", "while it runs: what every account does"
    yield f"{ctl} copies", "what was copied, or would have been"
    for release in dict.fromkeys(one.release for one in outside if one.followers):
        yield f"{release} in {path}", "lets orders out. Read the copies first"
