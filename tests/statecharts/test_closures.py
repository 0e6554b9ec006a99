"""What is a closure for whom, and when it ends."""

from __future__ import annotations

import datetime as dt
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statecharts.book import Book, Contract
from statecharts.closures import EDGE, Closure, closure, followed
from statecharts.market_hours import TRADOVATE_WINDOWS, Markets, Override, load_hours
from statecharts.rules import ReconnectRules, Rules
from statecharts.values import Order, Root, Symbol
from statecharts.view import View
from tests import examples
from tests.statecharts.desk import BUY, EVAL_ID, LEAD_ID, limit, order, rules
from tests.statecharts.test_market_hours import TABLE
from tests.statecharts.trading_hours import MARKETS, chicago, clock

SECOND = dt.timedelta(seconds=1)
EMPTY = Book()
ES, CL, BTC, ODD = "ES", "CL", "MBT", "XYZ"


def following(*roots: str, platform: bool = True, markets: Markets | None = MARKETS, **more: Any) -> Rules:
    """Rules whose copies name these products; none named: they name nothing."""
    reconnect = ReconnectRules(windows=TRADOVATE_WINDOWS if platform else None)
    products = frozenset(map(Root, roots)) if roots else None
    return Rules(reconnect=reconnect, markets=markets, products=products, **more)


def at(text: str, of: Rules, book: Book = EMPTY) -> str:
    """Until when, and why; open: in none."""
    found = closure(of, book, chicago(text))
    return "open" if found is None else f"{clock(found.until)} {found.why}"


def seen(*symbols: str) -> Book:
    """A book with a leader's view that shows an order in each."""
    orders: dict[Any, Order] = {n: order(n, BUY, limit(1), symbol=Symbol(s)) for n, s in enumerate(symbols, 1)}
    return Book(mine=View(EVAL_ID, 1), theirs=View(LEAD_ID, 1, orders))


DAILY = "Wed 17:00:00 the broker's maintenance window"


def test_the_daily_break_is_the_platforms_and_ends_with_it() -> None:
    assert at("2026-11-18 16:20", following(ES)) == DAILY
    assert at("2026-11-18 12:00", following(ES)) == "open"
    assert at("2026-11-18 17:00", following(ES)) == "open"


def test_the_weekend_lasts_until_the_first_market_opens_though_the_platform_is_back() -> None:
    assert at("2026-11-20 16:20", following(ES)) == "Sun 17:00:00 the broker's maintenance window"
    assert at("2026-11-21 12:00", following(ES)) == "Sun 17:00:00 the market is closed: weekend"
    assert at("2026-11-22 06:29", following(ES)) == "Sun 17:00:00 the broker's maintenance window"
    assert at("2026-11-21 12:00", following(ES, "ZC")) == "Sun 17:00:00 the market is closed: weekend"
    assert at("2026-11-21 12:00", following("ZC")) == "Sun 19:00:00 the market is closed: weekend"


def test_with_crypto_weekends_are_not_silent_but_the_platforms_windows_are() -> None:
    of = following(ES, BTC)
    assert at("2026-11-21 12:00", of) == "open"
    assert at("2026-11-20 16:20", of) == "Fri 20:00:00 the broker's maintenance window"
    assert at("2026-11-21 23:00", of) == "Sun 06:30:00 the broker's maintenance window"
    assert at("2026-11-21 03:00", of) == "Sat 04:00:00 the market is closed: weekend"  # crypto's own maintenance


def test_a_product_of_no_group_may_trade_at_any_time() -> None:
    assert at("2026-11-21 12:00", following(ES, ODD)) == "open"
    assert at("2026-11-18 16:20", following(ES, ODD)) == DAILY
    assert followed(following(ODD), EMPTY) is None


def test_copies_that_name_nothing_follow_everything_but_crypto_until_somebody_trades_it() -> None:
    assert followed(following(), EMPTY) == frozenset(MARKETS.groups) - {"crypto"}
    assert at("2026-11-21 12:00", following()) == "Sun 17:00:00 the market is closed: weekend"
    assert at("2026-11-26 13:00", following()) == "open"  # Thanksgiving: foreign exchange trades through
    assert at("2026-11-26 13:00", following(ES)) == "Thu 17:00:00 the market is closed: early close, Thanksgiving"
    assert at("2026-11-21 12:00", following(), seen("MBTZ6")) == "open"
    assert at("2026-11-21 12:00", following(), seen("XYZZ6")) == "open"
    denied = following(copy=rules(deny=frozenset({Root(BTC)})))
    assert at("2026-11-21 12:00", denied, seen("MBTZ6")) == "Sun 17:00:00 the market is closed: weekend"


def test_a_position_is_followed_whatever_the_copies_name() -> None:
    ours = Book(contracts={Symbol("MBTZ6"): Contract(own=1), Symbol("NQZ6"): Contract()})
    assert at("2026-11-21 12:00", following(ES), ours) == "open"
    assert followed(following(ES), ours) == frozenset({"equity_index", "crypto"})
    assert at("2026-11-21 12:00", following(ES), seen("MBTZ6")) == "Sun 17:00:00 the market is closed: weekend"
    theirs = attrs.evolve(seen(), theirs=View(LEAD_ID, 1, {}, {Symbol("MBTZ6"): 1, Symbol("CLF7"): 0}))
    assert at("2026-11-21 12:00", following(), theirs) == "open"
    assert at("2026-11-21 12:00", following(), Book(positions={Symbol("METZ6"): -1})) == "open"
    assert at("2026-11-21 12:00", following(ES), Book(open={Symbol("MBTZ6"): ()})) != "open"


@pytest.mark.parametrize(
    ("text", "closed"),
    [("15:59:29", False), ("15:59:30", True), ("15:59:59", True), ("16:00:00", True), ("15:50:00", False)],
)
def test_half_a_minute_before_a_closure_belongs_to_it_and_ten_minutes_do_not(text: str, closed: bool) -> None:
    assert at(f"2026-11-18 {text}", following(ES)) == (DAILY if closed else "open")


def test_half_a_minute_before_an_early_close_too() -> None:
    assert at("2026-11-26 11:59:45", following(ES)) == "Thu 17:00:00 the market is closed: early close, Thanksgiving"
    assert at("2026-11-26 11:50:00", following(ES)) == "open"


@pytest.mark.parametrize(
    ("text", "closed"),
    [
        ("2027-01-18 13:00", False),  # Martin Luther King Day of a year that nobody has verified
        ("2027-03-25 20:00", False),  # the evening before such a Good Friday
        ("2027-03-26 16:30", True),  # the platform's window all the same
        ("2027-03-27 12:00", True),  # and the weekend, on any coverage
        ("2026-11-26 13:00", True),
        ("2030-11-23 12:00", True),  # beyond the table: the ordinary week
        ("2030-11-28 13:00", False),
    ],
)
def test_a_special_day_is_silent_only_when_somebody_has_verified_it(text: str, closed: bool) -> None:
    assert (at(text, following(ES)) != "open") == closed


def test_the_silence_before_a_holiday_that_nobody_has_verified_ends_where_the_ordinary_week_opens() -> None:
    assert at("2027-03-25 16:20", following(ES)) == "Thu 17:00:00 the broker's maintenance window"


def test_a_silence_that_leads_into_days_that_nobody_has_verified_ends_there() -> None:
    assert at("2026-12-31 18:00", following(ES)) == "Fri 00:00:00 the market is closed: holiday, New Year's Eve"
    assert at("2027-01-01 10:00", following(ES)) == "open"


def test_the_operators_word_silences() -> None:
    day = Override(("equity_index",), dt.date(2027, 2, 3), ("00:00-08:30", "17:00-24:00"), "Mourning")
    markets = Markets(load_hours(TABLE, [day]))
    assert at("2027-02-03 10:00", following(ES, markets=markets)) == (
        "Wed 17:00:00 the market is closed: override, Mourning"
    )


def test_a_market_that_opens_inside_the_platforms_window_is_back_when_that_ends() -> None:
    day = Override(("equity_index",), dt.date(2026, 11, 18), ("00:00-10:00", "16:30-24:00"))
    markets = Markets(load_hours(TABLE, [day]))
    assert at("2026-11-18 12:00", following(ES, markets=markets)).startswith("Wed 17:00:00")


def test_a_market_that_never_opens_again_silences_nothing() -> None:
    days = [Override(("livestock",), dt.date(2026, 2, 4) + dt.timedelta(days=n), ()) for n in range(1000)]
    markets = Markets(load_hours(TABLE, days))
    assert at("2026-03-03 12:00", following("LE", markets=markets)) == "open"


def test_closures_without_end_are_not_looked_through_for_ever() -> None:
    """A market that opens in the platform's windows alone, and never outside of them."""
    hours = MARKETS.groups["equity_index"]
    odd = attrs.evolve(hours, weeks=(attrs.evolve(hours.weeks[0], days=(((960, 1020),),) * 4 + ((),) * 3),), days={})
    found = closure(following(ES, markets=Markets({"equity_index": odd})), EMPTY, chicago("2026-03-03 12:00"))
    assert found is not None and found.until > chicago("2026-03-20 12:00")


def test_a_table_that_lacks_the_group_silences_nothing() -> None:
    assert at("2026-11-21 12:00", following(ES, markets=Markets({}))) == "open"


def test_where_there_are_no_hours_there_is_no_closure() -> None:
    assert closure(Rules(), EMPTY, chicago("2026-11-21 12:00")) is None
    assert at("2026-11-21 12:00", following(ES, markets=None)) == "open"
    assert at("2026-11-18 16:20", following(ES, markets=None)) == DAILY
    assert at("2026-11-21 12:00", following(ES, platform=False)) == "Sun 17:00:00 the market is closed: weekend"


@settings(max_examples=examples(150), deadline=None)
@given(
    st.datetimes(dt.datetime(2026, 1, 1), dt.datetime(2026, 12, 31), timezones=st.just(dt.UTC)),  # noqa: DTZ001 - bounds are naive
    st.sampled_from(((ES,), (CL, "6E"), (BTC,), ("ZC", "LE"), ())),
)
def test_a_closure_ends_when_somebody_can_trade_and_no_sooner(moment: dt.datetime, roots: tuple[str, ...]) -> None:
    of = following(*roots)
    groups = followed(of, EMPTY)
    assert groups is not None

    def tradable(t: dt.datetime) -> bool:
        return not TRADOVATE_WINDOWS.in_maintenance(t) and any(MARKETS.groups[group].is_open(t) for group in groups)

    found = closure(of, EMPTY, moment)
    assert (found is None) == (tradable(moment) and tradable(moment + EDGE))
    if isinstance(found, Closure):
        assert found.until > moment and tradable(found.until)
        start = moment if not tradable(moment) else moment + EDGE
        step = (found.until - start) / 40
        assert not any(tradable(start + n * step) for n in range(40))
