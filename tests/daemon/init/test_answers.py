"""What is refused of an answer, and that a secret is not in the words about it."""

from __future__ import annotations

import pytest

from daemon.init import answers


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("", "is empty"),
        ("canary\nmore", "more than one line"),
        ("canary" * 1000, "more than one line of at most"),
        (b"canary\xe4".decode(errors="surrogateescape"), "is not text in UTF-8"),  # as environ and stdin hand it on
    ],
)
def test_a_secret_that_no_file_could_give_back_is_refused_without_a_letter_of_it(value: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        answers.secret(value)
    assert "canary" not in str(caught.value) and "xe4" not in str(caught.value) and "udce4" not in str(caught.value)


def test_an_umlaut_is_a_letter() -> None:
    assert answers.secret("Grüße") == "Grüße"


@pytest.mark.parametrize("text", ["", "0", "-1", "half", "nan", "inf", "1e400", "1e-400"])
def test_a_ratio_is_a_number_to_calculate_with(text: str) -> None:
    with pytest.raises(ValueError, match="is no ratio: write a number above 0"):
        answers.followers("LEAD", None)(f"F1={text}")
