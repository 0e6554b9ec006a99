"""The framing: what the broker may send becomes a value, whatever it is."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.tradovate import frames
from daemon.tradovate.frames import Closing, Heartbeat, Malformed, Messages, Opened, Pushed, Response, parse


@pytest.mark.parametrize(
    ("text", "frame"),
    [
        ("o", Opened()),
        ("open", Opened()),
        (b"h", Heartbeat()),
        ('c[3000, "Go away!"]', Closing(3000, "Go away!")),
        ("c", Closing(None, "")),
        ("c[", Closing(None, "[")),
        ("c{}", Closing(None, "{}")),
        ('c["3000"]', Closing(3000, "")),
        ("c[null,7]", Closing(None, "")),
        ("", Malformed("an empty frame")),
        (b"\xff", Malformed("not UTF-8")),
        ("x1", Malformed("unknown kind of frame: x1")),
        ("a[{]", Malformed("not JSON: a[{]")),
        ("a7", Malformed("not an array: a7")),
        ("a[]", Messages(())),
        ('a[{"s":200,"i":0}]', Messages((Response(0, 200, None),))),
        ('a{"s":429,"i":3}', Messages((Response(3, 429, None),))),
        ('a[{"s":"200","i":"12","d":[1]}]', Messages((Response(12, 200, [1]),))),
        ('a[{"e":"clock","d":"{}"}]', Messages((Pushed("clock", "{}"),))),
        ('a[{"e":"props","s":200,"i":1}]', Messages((Pushed("props", None),))),
    ],
)
def test_every_kind_of_frame(text: str | bytes, frame: frames.Frame) -> None:
    assert parse(text) == frame


def test_an_error_text_within_a_text_is_left_as_it_came() -> None:
    frame = parse(r'a[{"s":404,"i":1,"d":"\"Not found: quote/subscribe\""}]')
    assert frame == Messages((Response(1, 404, '"Not found: quote/subscribe"'),))


def test_one_bad_message_does_not_lose_its_neighbours() -> None:
    frame = parse('a[{"s":200,"i":1},7,{"e":3},{"s":200},{"s":true,"i":2},{"s":200,"i":"x"},{"e":"md"}]')
    assert isinstance(frame, Messages)
    assert frame.items == (Response(1, 200, None), Pushed("md", None))
    assert len(frame.faults) == 5


def test_prices_are_decimals_and_large_ids_are_whole() -> None:
    frame = parse('a[{"e":"props","d":{"price":5201.10,"id":3556122208,"odd":1e999999999999999999999,"no":NaN}}]')
    assert isinstance(frame, Messages)
    item = frame.items[0]
    assert isinstance(item.data, dict)
    assert item.data["price"] == Decimal("5201.10")
    assert item.data["id"] == 3556122208
    assert item.data["odd"] == "1e999999999999999999999"
    assert item.data["no"] == "NaN"


def test_nesting_and_digits_beyond_reason_spoil_nothing() -> None:
    assert isinstance(parse("a" + "[" * 100_000), Malformed)
    assert parse(f'a[{{"s":200,"i":1,"d":{"9" * 5000}}}]') == Messages((Response(1, 200, "9" * 5000),))


@given(st.text() | st.binary())
def test_parse_never_raises(text: str | bytes) -> None:
    parse(text)


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.text()
    | st.decimals(allow_nan=False, allow_infinity=False, places=3),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.lists(_JSON))
def test_parse_never_raises_on_json_and_counts_every_item(payload: list[object]) -> None:
    frame = parse("a" + frames.encode(payload))
    assert isinstance(frame, Messages)
    assert len(frame.items) + len(frame.faults) == len(payload)


@given(_JSON)
def test_what_is_encoded_decodes_to_the_same(value: object) -> None:
    assert frames.decode(frames.encode(value)) == value


def test_requests_have_four_parts() -> None:
    assert frames.request("contract/find", 2, "name=MESM6") == "contract/find\n2\nname=MESM6\n"
    body = {"orderQty": 1, "price": Decimal("5200.10"), "wide": Decimal("1E+3"), "isAutomated": True, "none": None}
    assert frames.request("order/placeorder", 4, body=body) == (
        'order/placeorder\n4\n\n{"orderQty":1,"price":5200.10,"wide":1000,"isAutomated":true,"none":null}'
    )
    assert frames.request("user/syncrequest", 3, body={"users": (1, 2)}) == 'user/syncrequest\n3\n\n{"users":[1,2]}'
    assert frames.authorize(0, "tok") == "authorize\n0\n\ntok"
    assert frames.HEARTBEAT == "[]"


def test_a_text_with_a_line_feed_stays_within_its_part() -> None:
    assert frames.request("x/y", 1, body={"text": "a\nb"}).count("\n") == 3


@pytest.mark.parametrize("part", ["endpoint\n", "x/y"])
def test_a_line_feed_may_not_begin_another_part(part: str) -> None:
    with pytest.raises(ValueError, match="line feed"):
        frames.request(part, 1, "a=1\n")


@pytest.mark.parametrize("bad", [0.1, {1: 2}, object(), [1.5]])
def test_what_json_cannot_say_is_a_bug(bad: object) -> None:
    with pytest.raises(TypeError):
        frames.encode(bad)


@pytest.mark.parametrize("bad", ["NaN", "Infinity"])
def test_no_number_is_a_bug(bad: str) -> None:
    with pytest.raises(ValueError, match="finite"):
        frames.encode(Decimal(bad))
