"""Which hosts may hear what is said to the broker."""

from __future__ import annotations

import pytest

from daemon.tradovate.hosts import host_of, on_host, same_house

DEMO = "https://demo.tradovateapi.com/v1"


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (DEMO, "https://demo-7.tradovateapi.com/v1/auth/renewaccesstoken"),
        (DEMO, "https://eu.demo.tradovateapi.com/v1"),
        (DEMO, "https://demo.tradovateapi.com/elsewhere"),
        ("https://demo-api.staging.ninjatrader.dev/v1", "https://own.staging.ninjatrader.dev/v1"),
        ("wss://demo.tradovateapi.com/v1/websocket", "wss://demo-7.tradovateapi.com/v1/websocket"),
        ("http://127.0.0.1:1/v1", "http://127.0.0.1:2/v1"),
        ("https://demo.broker.co.uk", "https://live.broker.co.uk"),
    ],
)
def test_the_same_domain_is_the_same_house(ours: str, theirs: str) -> None:
    assert same_house(ours, theirs)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (DEMO, "https://tradovateapi.com.example.org/v1"),
        (DEMO, "https://eviltradovateapi.com/v1"),
        (DEMO, "http://demo-7.tradovateapi.com/v1"),
        (DEMO, "https://demo.tradovateapi.com@example.org/v1"),
        (DEMO, "https:///v1"),
        (DEMO, ""),
        (DEMO, "https://[oops"),
        (DEMO, "https://demo-7.tradovateapi.com:port/v1"),
        ("https://demo-api.staging.ninjatrader.dev/v1", "https://other.ninjatrader.dev/v1"),
        ("http://127.0.0.1:1/v1", "http://10.0.0.1:1/v1"),
        ("https://broker.co.uk", "https://stranger.co.uk"),
        ("https://broker.example", "https://stranger.example"),
    ],
)
def test_a_stranger_is_no_member_of_the_house(ours: str, theirs: str) -> None:
    assert not same_house(ours, theirs)


@pytest.mark.parametrize(
    ("named", "host"),
    [
        ("demo-7.tradovateapi.com", "demo-7.tradovateapi.com"),
        ("https://demo-7.tradovateapi.com/v1", "demo-7.tradovateapi.com"),
        ("demo-7.tradovateapi.com:8443/v1", "demo-7.tradovateapi.com:8443"),
        ("wss://user@demo-7.tradovateapi.com", "demo-7.tradovateapi.com"),
        ("", None),
        ("/v1", None),
        ("host:port", None),
    ],
)
def test_a_host_is_found_in_an_address_and_in_a_name(named: str, host: str | None) -> None:
    assert host_of(named) == host


def test_an_address_on_another_host_keeps_its_path() -> None:
    assert on_host("wss://demo.tradovateapi.com/v1/websocket", "demo-7.tradovateapi.com:1") == (
        "wss://demo-7.tradovateapi.com:1/v1/websocket"
    )
