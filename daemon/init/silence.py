"""What comes of a question that the broker does not answer."""

from __future__ import annotations

import attrs


@attrs.frozen
class Silence:
    """The broker did not tell. `refused`: it does not accept what it was asked with."""

    why: str
    refused: bool = False
