"""What must be said where nobody can be asked."""

from __future__ import annotations

import attrs
import pytest

from daemon.init.wish import Unusable, Wish

SAID = Wish(environment="demo", username="jane", password_file="-", leader="A", followers=("B",))


@pytest.mark.parametrize("cid", [None, "0"])
def test_without_an_api_key_no_secret_of_one_is_needed(cid: str | None) -> None:
    """At the terminal 0 is what somebody without one answers: the flag means the same."""
    attrs.evolve(SAID, cid=cid).check_whole({})
    with pytest.raises(Unusable, match="--sec-file"):
        attrs.evolve(SAID, cid="8123").check_whole({})
