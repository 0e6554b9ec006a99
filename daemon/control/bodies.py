"""What comes with a request: a small JSON object of known keys, whole and in time.

Rule 1: nothing is guessed: an unknown key, a key given twice, a null or a number where a name is needed is refused with
        what was expected. "flatten everything" is said by leaving the symbol out, and never by a mistake in it.
Rule 2: no client holds the daemon up: a body is bounded in size, and half of one is not waited for.
"""

from __future__ import annotations

import json
import re
from contextlib import aclosing

import trio
from starlette.requests import ClientDisconnect, Request

from daemon.control.problems import Problem
from statecharts.values import Symbol

LONGEST = 4096  # bytes: a symbol has a dozen
LIMIT = 5.0  # seconds for the whole body, which comes in one piece from any honest client
_NEEDED = "symbol: the name of a contract is needed, such as MESZ6"
_SYMBOL = re.compile(r"[A-Za-z0-9._/ -]{1,32}")


async def nothing(request: Request) -> None:
    """Raises Problem when there is more than an empty object."""
    await _keys(request, ())


async def symbol(request: Request) -> Symbol | None:
    """The body may name a contract. Raises Problem."""
    found = await _keys(request, ("symbol",))
    if "symbol" not in found:
        return None
    return _symbol(found["symbol"], f"{_NEEDED}; leave the key out to mean all")


async def needed_symbol(request: Request) -> Symbol:
    """The body must name a contract. Raises Problem."""
    found = await _keys(request, ("symbol",))
    if "symbol" not in found:
        raise _unreadable('the body must be {"symbol": "MESZ6"}, with the contract that is meant')
    return _symbol(found["symbol"], _NEEDED)


async def _keys(request: Request, known: tuple[str, ...]) -> dict[str, object]:
    text = await whole(request)
    if not text:
        return {}
    try:
        found = json.loads(text, object_pairs_hook=_each_once)
    except (ValueError, RecursionError) as error:
        raise _unreadable(f"the body is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise _unreadable("the body must be a JSON object")
    unknown = [key for key in found if key not in known]
    if unknown:
        expected = f"; known here: {', '.join(known)}" if known else "; nothing is taken here"
        raise _unreadable(f"unknown: {', '.join(key[:50] for key in unknown[:5])}{expected}")
    return found


async def whole(request: Request, longest: int = LONGEST) -> bytes:
    """All of it. Raises Problem when it is too long, too slow, or ends before its end."""
    body = b""
    try:
        with trio.fail_after(LIMIT):
            async with aclosing(request.stream()) as parts:
                async for part in parts:
                    body += part
                    if len(body) > longest:
                        raise Problem(status=413, detail=f"a body of more than {longest} bytes is not read")
    except trio.TooSlowError as error:
        raise Problem(status=408, detail=f"the body did not come within {LIMIT:g} s") from error
    except ClientDisconnect as error:
        raise Problem(status=400, detail="the client broke off within its request") from error
    return body.strip()


def _each_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is given twice")
    return found


def _symbol(found: object, otherwise: str) -> Symbol:
    if not isinstance(found, str) or not _SYMBOL.fullmatch(found):
        raise _unreadable(otherwise)
    return Symbol(found)


def _unreadable(detail: str) -> Problem:
    return Problem(status=422, kind="unreadable-body", detail=detail)
