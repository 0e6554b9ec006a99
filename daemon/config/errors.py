"""What is wrong with a copier.toml, in the form that an operator can act on: file, line, key, message, remedy."""

from __future__ import annotations

from pathlib import Path

import attrs

KeyPath = tuple[str | int, ...]


@attrs.frozen
class Finding:
    """Something wrong at a key, before it is known on which line that key stands."""

    path: KeyPath
    message: str
    remedy: str


@attrs.frozen
class ConfigError:
    file: Path
    line: int
    key: str
    message: str
    remedy: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}: "
        return (
            f"{where}{self.key}: {self.message}. {self.remedy}" if self.key else f"{where}{self.message}. {self.remedy}"
        )


class ConfigErrors(Exception):
    """Every error of one file, in the order of its lines."""

    def __init__(self, errors: tuple[ConfigError, ...]) -> None:
        super().__init__(errors)
        self.errors = errors

    def __str__(self) -> str:
        return "\n".join(map(str, self.errors))


def dotted(path: KeyPath) -> str:
    """("copy", 0, "followers", 1, "ratio") -> copy[0].followers[1].ratio"""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


class Misfit(ValueError):
    """A value that does not fit its key."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
