"""Why there is no control socket."""

from __future__ import annotations


class SocketUnusable(Exception):
    """The control socket cannot be had. The text says why and what to do."""
