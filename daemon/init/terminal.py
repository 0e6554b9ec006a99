"""A person at a terminal: one question at a time, asked again until the answer can be used.

Ctrl-D raises EOFError and Ctrl-C KeyboardInterrupt, wherever it waits; nothing is written then.
"""

from __future__ import annotations

import getpass
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Terminal:
    def say(self, words: str) -> None:
        print(words, flush=True)

    def text(self, words: str, parse: Callable[[str], T], default: str | None = None) -> T:
        """`parse` raises ValueError with a sentence that says what would be right."""
        shown = f"{words} [{default}]: " if default else f"{words}: "
        while True:
            answer = input(shown).strip() or default
            if answer is None:
                continue
            try:
                return parse(answer)
            except ValueError as wrong:
                self.say(f"  {wrong}")

    def hidden(self, words: str, *, needed: bool = True) -> str:
        """Without echo; empty only where it is not needed.

        getpass asks the terminal itself, also when standard output goes elsewhere.
        """
        while True:
            answer = getpass.getpass(f"{words} (it is not shown): ")
            if answer or not needed:
                return answer
