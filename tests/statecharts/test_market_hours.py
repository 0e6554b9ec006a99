"""Named days: what CME did and will do, and where a calendar usually goes wrong. 2024 to 2028."""

from __future__ import annotations

import datetime as dt
import tomllib
from typing import Any

import pytest

from daemon.hours_table import built_in
from statecharts.market_hours import CHICAGO, Coverage, MarketHours, Override, Reason, load_hours

TABLE: dict[str, Any] = tomllib.loads(built_in())
HOURS = load_hours(TABLE)
ES, GRAINS, CRYPTO = HOURS["equity_index"], HOURS["grains"], HOURS["crypto"]


def utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def chicago(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=CHICAGO)


def shown(t: dt.datetime | None) -> str:
    return "never" if t is None else f"{t.astimezone(CHICAGO):%a %Y-%m-%d %H:%M}"


def closed(hours: MarketHours, text: str) -> tuple[str, str, Reason, str]:
    """The closed window around a wall-clock time of Chicago."""
    window = hours.window_at(chicago(text))
    assert not window.open
    return shown(window.start), shown(window.end), window.reason, window.label


def opened(hours: MarketHours, text: str) -> tuple[str, str]:
    window = hours.window_at(chicago(text))
    assert window.open and window.reason is Reason.SESSION
    return shown(window.start), shown(window.end)


def test_intervals_are_half_open() -> None:
    assert ES.is_open(chicago("2026-11-11 17:00:00"))
    assert ES.is_open(chicago("2026-11-11 15:59:59.999999"))
    assert not ES.is_open(chicago("2026-11-11 16:00:00"))
    assert not ES.is_open(chicago("2026-11-11 16:59:59.999999"))


def test_a_window_goes_on_over_local_midnight() -> None:
    assert opened(ES, "2026-10-14 22:00") == ("Wed 2026-10-14 17:00", "Thu 2026-10-15 16:00")


def test_a_naive_instant_is_refused() -> None:
    naive = dt.datetime.combine(dt.date(2026, 1, 1), dt.time.min)
    for ask in (ES.is_open, ES.window_at, ES.next_open, ES.next_close, ES.coverage):
        with pytest.raises(ValueError, match="time zone"):
            ask(naive)


def test_results_are_in_utc() -> None:
    window = ES.window_at(chicago("2026-11-11 12:00"))
    edges = (window.start, window.end, ES.next_open(window.start), ES.next_close(window.start))
    assert all(edge is not None and edge.tzinfo is dt.UTC for edge in edges)


def test_the_edges_after_an_edge_are_later() -> None:
    t = chicago("2026-11-11 17:00")
    assert shown(ES.next_open(t)) == "Thu 2026-11-12 17:00"
    assert shown(ES.next_close(t)) == "Thu 2026-11-12 16:00"


def test_a_fixed_offset_would_be_wrong_half_of_the_year() -> None:
    assert ES.is_open(utc("2026-11-11 21:30")) and not ES.is_open(utc("2026-11-11 22:30"))
    assert not ES.is_open(utc("2026-10-14 21:30"))


@pytest.mark.parametrize(
    ("friday", "opens", "hours"),
    [("2026-03-06", "2026-03-08 22:00", 48), ("2026-10-30", "2026-11-01 23:00", 50), ("2026-10-23", None, 49)],
)
def test_a_weekend_is_an_hour_longer_or_shorter_where_the_clocks_change(
    friday: str, opens: str | None, hours: int
) -> None:
    window = ES.window_at(chicago(f"{friday} 16:00"))
    assert window.end is not None and window.end - window.start == dt.timedelta(hours=hours)
    assert window.reason is Reason.WEEKEND
    assert opens is None or window.end == utc(opens)


@pytest.mark.parametrize("instant", ["2026-03-08 08:00", "2026-11-01 06:30", "2026-11-01 07:30"])
def test_instants_in_the_gap_and_in_the_hour_that_comes_twice_are_plain(instant: str) -> None:
    assert not ES.is_open(utc(instant))
    assert ES.window_at(utc(instant)).reason is Reason.WEEKEND


@pytest.mark.parametrize(
    ("instants", "hours"),
    [
        (("2026-11-01 06:30", "2026-11-01 07:30"), 7 * 24 - 2 + 1),
        (("2027-03-14 07:30", "2027-03-14 08:00"), 7 * 24 - 3),
    ],
)
def test_around_the_clock_a_change_of_the_clocks_is_within_one_window(instants: tuple[str, str], hours: int) -> None:
    first, second = (CRYPTO.window_at(utc(instant)) for instant in instants)
    assert first == second and first.open
    assert first.end is not None and first.end - first.start == dt.timedelta(hours=hours)


def test_the_sunday_before_a_halt_opens_and_before_a_full_holiday_does_not() -> None:
    assert opened(ES, "2026-01-18 18:00") == ("Sun 2026-01-18 17:00", "Mon 2026-01-19 12:00")
    christmas = closed(ES, "2028-12-24 18:00")
    assert christmas == ("Fri 2028-12-22 16:00", "Mon 2028-12-25 17:00", Reason.HOLIDAY, "Christmas Eve")
    assert not ES.is_open(chicago("2028-12-31 18:00"))


def test_an_early_close_that_reopens_the_same_day() -> None:
    july = closed(ES, "2025-07-03 14:00")
    assert july == ("Thu 2025-07-03 12:15", "Thu 2025-07-03 17:00", Reason.EARLY_CLOSE, "Eve of Independence Day")
    thanksgiving = closed(ES, "2026-11-26 14:00")
    assert thanksgiving == ("Thu 2026-11-26 12:00", "Thu 2026-11-26 17:00", Reason.EARLY_CLOSE, "Thanksgiving")
    assert shown(ES.next_close(chicago("2026-11-26 17:00"))) == "Fri 2026-11-27 12:15"


@pytest.mark.parametrize(
    ("day", "start", "end", "label"),
    [
        ("2026-06-19", "Fri 2026-06-19 12:00", "Sun 2026-06-21 17:00", "Juneteenth"),
        ("2026-07-03", "Fri 2026-07-03 12:00", "Sun 2026-07-05 17:00", "Independence Day (observed)"),
        ("2026-11-27", "Fri 2026-11-27 12:15", "Sun 2026-11-29 17:00", "Day after Thanksgiving"),
        ("2026-12-24", "Thu 2026-12-24 12:15", "Sun 2026-12-27 17:00", "Christmas Eve"),
        ("2025-12-24", "Wed 2025-12-24 12:15", "Thu 2025-12-25 17:00", "Christmas Eve"),
    ],
)
def test_an_early_close_that_does_not_reopen(day: str, start: str, end: str, label: str) -> None:
    assert closed(ES, f"{day} 15:00") == (start, end, Reason.EARLY_CLOSE, label)


def test_good_friday_of_2025_takes_the_evening_before() -> None:
    window = ("Thu 2025-04-17 16:00", "Sun 2025-04-20 17:00", Reason.HOLIDAY, "Eve of Good Friday")
    assert closed(ES, "2025-04-17 20:00") == closed(ES, "2025-04-18 12:00") == window


def test_good_friday_of_2026_has_a_short_session_where_the_payrolls_matter() -> None:
    assert opened(ES, "2026-04-02 20:00") == ("Thu 2026-04-02 17:00", "Fri 2026-04-03 08:15")
    for group in ("fx", "interest_rate", "crypto"):
        assert opened(HOURS[group], "2026-04-02 20:00") == ("Thu 2026-04-02 17:00", "Fri 2026-04-03 10:15")
    for group in ("energy", "metals"):
        window = ("Thu 2026-04-02 16:00", "Sun 2026-04-05 17:00", Reason.HOLIDAY, "Eve of Good Friday")
        assert closed(HOURS[group], "2026-04-03 07:00") == window


def test_new_year() -> None:
    day = closed(ES, "2026-01-01 12:00")
    assert day == ("Wed 2025-12-31 16:00", "Thu 2026-01-01 17:00", Reason.HOLIDAY, "New Year's Eve")
    assert closed(ES, "2027-01-01 12:00")[:2] == ("Thu 2026-12-31 16:00", "Sun 2027-01-03 17:00")
    saturday = closed(ES, "2028-01-01 12:00")
    assert saturday == ("Fri 2027-12-31 16:00", "Sun 2028-01-02 17:00", Reason.WEEKEND, "")
    assert ES.is_open(chicago("2027-12-31 15:59"))


def test_christmas_on_a_saturday() -> None:
    assert opened(ES, "2027-12-23 13:00")[1] == "Thu 2027-12-23 16:00"
    assert closed(ES, "2027-12-24 09:00")[:3] == ("Thu 2027-12-23 16:00", "Sun 2027-12-26 17:00", Reason.HOLIDAY)


def test_independence_day_on_a_weekend() -> None:
    assert opened(ES, "2026-07-02 13:00") == ("Wed 2026-07-01 17:00", "Thu 2026-07-02 16:00")
    assert closed(ES, "2026-07-03 13:00")[:2] == ("Fri 2026-07-03 12:00", "Sun 2026-07-05 17:00")
    assert opened(ES, "2027-07-02 13:00")[1] == "Fri 2027-07-02 16:00"
    assert closed(ES, "2027-07-05 13:00")[:2] == ("Mon 2027-07-05 12:00", "Mon 2027-07-05 17:00")


def test_a_day_announced_ten_days_ahead_is_an_override() -> None:
    """With the table as it stood in December 2024, which could not know the day."""
    day = dt.date(2025, 1, 9)
    lines = {key: line for key, line in TABLE["groups"]["equity_index"]["days"].items() if key != str(day)}
    old = {**TABLE["groups"], "equity_index": {**TABLE["groups"]["equity_index"], "days": lines}}
    before = load_hours({"groups": old})
    assert opened(before["equity_index"], "2025-01-09 12:00") == ("Wed 2025-01-08 17:00", "Thu 2025-01-09 16:00")
    words = Override(("equity_index",), day, ("00:00-08:30", "17:00-24:00"), "National Day of Mourning")
    after = load_hours({"groups": old}, [words])
    equity = after["equity_index"]
    assert opened(equity, "2025-01-08 20:00") == ("Wed 2025-01-08 17:00", "Thu 2025-01-09 08:30")
    mourning = ("Thu 2025-01-09 08:30", "Thu 2025-01-09 17:00", Reason.OVERRIDE, "National Day of Mourning")
    assert closed(equity, "2025-01-09 12:00") == mourning
    assert equity.window_at(chicago("2025-01-09 12:00")).coverage is Coverage.OVERRIDE
    assert equity.coverage(chicago("2025-01-09 20:00")) is Coverage.OVERRIDE
    assert equity.window_at(chicago("2025-01-09 20:00")).coverage is Coverage.OVERRIDE  # on until Friday, verified
    assert equity.coverage(chicago("2025-01-10 00:00")) is Coverage.VERIFIED
    assert all(after[group] == before[group] for group in after if group != "equity_index")


@pytest.mark.parametrize("day", ["2026-10-12", "2026-11-11"])
def test_columbus_day_and_veterans_day_are_ordinary(day: str) -> None:
    for group in ("equity_index", "interest_rate", "fx", "energy", "metals"):
        start, end, reason, label = closed(HOURS[group], f"{day} 16:30")
        assert (start[-5:], end[-5:], reason, label) == ("16:00", "17:00", Reason.DAILY_BREAK, "")
    assert HOURS["livestock"].is_open(chicago(f"{day} 10:00"))


def test_crypto_before_and_after_it_went_round_the_clock() -> None:
    assert not CRYPTO.is_open(utc("2026-05-28 21:30"))
    window = CRYPTO.window_at(utc("2026-05-29 20:59"))
    assert (shown(window.start), shown(window.end)) == ("Thu 2026-05-28 17:00", "Sat 2026-05-30 02:00")
    assert window.coverage is Coverage.PROJECTED
    assert CRYPTO.coverage(utc("2026-05-29 20:59")) is Coverage.VERIFIED
    assert CRYPTO.coverage(utc("2026-05-29 21:00")) is Coverage.PROJECTED
    maintenance = CRYPTO.window_at(chicago("2026-11-21 03:00"))
    assert (shown(maintenance.start)[-5:], shown(maintenance.end)[-5:]) == ("02:00", "04:00")
    assert (maintenance.reason, maintenance.coverage) == (Reason.WEEKEND, Coverage.PROJECTED)
    assert CRYPTO.is_open(chicago("2026-12-25 10:00"))


def test_maintenance_on_a_sunday_is_a_daily_break() -> None:
    crypto = load_hours(TABLE, maintenance="sun 05:00-06:00")["crypto"]
    assert closed(crypto, "2026-11-22 05:30")[2] is Reason.DAILY_BREAK
    assert crypto.is_open(chicago("2026-11-21 03:00"))


def test_the_breaks_of_grains_and_livestock() -> None:
    assert closed(GRAINS, "2026-11-19 08:00")[2] is Reason.INTRADAY_BREAK
    assert closed(GRAINS, "2026-11-19 15:00")[2] is Reason.DAILY_BREAK
    assert closed(GRAINS, "2026-11-20 15:00")[2] is Reason.WEEKEND
    overnight = ("Thu 2026-11-19 13:05", "Fri 2026-11-20 08:30", Reason.DAILY_BREAK, "")
    assert closed(HOURS["livestock"], "2026-11-19 20:00") == overnight


def test_grains_around_holidays() -> None:
    monday = ("Fri 2026-01-16 13:20", "Mon 2026-01-19 19:00", Reason.HOLIDAY, "Eve of Martin Luther King Day")
    assert closed(GRAINS, "2026-01-19 10:00") == monday
    assert closed(GRAINS, "2026-11-26 20:00")[:2] == ("Wed 2026-11-25 13:20", "Fri 2026-11-27 08:30")
    black_friday = closed(GRAINS, "2026-11-27 12:30")
    assert black_friday[:3] == ("Fri 2026-11-27 12:05", "Sun 2026-11-29 19:00", Reason.EARLY_CLOSE)
    assert closed(GRAINS, "2024-12-25 10:00")[:2] == ("Tue 2024-12-24 12:05", "Thu 2024-12-26 08:30")


def test_an_ordinary_close_on_a_special_day_is_ordinary() -> None:
    friday = ("Fri 2026-01-02 13:20", "Sun 2026-01-04 19:00", Reason.WEEKEND, "Day after New Year's Day")
    assert closed(GRAINS, "2026-01-02 15:00") == friday
    assert closed(GRAINS, "2024-12-26 15:00")[2] is Reason.DAILY_BREAK


def test_a_day_belongs_to_a_window_only_when_a_part_of_it_does() -> None:
    day = Override(("livestock",), dt.date(2026, 11, 19), ("00:00-10:00",), "Early cattle")
    window = load_hours(TABLE, [day])["livestock"].window_at(chicago("2026-11-18 20:00"))
    assert (shown(window.end), window.reason, window.label) == ("Thu 2026-11-19 00:00", Reason.DAILY_BREAK, "")
    assert window.coverage is Coverage.VERIFIED


def test_foreign_exchange_energy_and_metals_on_holidays() -> None:
    fx, energy = HOURS["fx"], HOURS["energy"]
    assert opened(fx, "2026-11-26 13:00")[1] == "Thu 2026-11-26 16:00"
    assert closed(energy, "2026-11-26 14:00")[:2] == ("Thu 2026-11-26 13:30", "Thu 2026-11-26 17:00")
    for hours in (fx, energy, HOURS["metals"]):
        assert shown(hours.next_close(chicago("2026-11-27 01:00"))) == "Fri 2026-11-27 13:45"
        assert shown(hours.next_close(chicago("2026-12-24 01:00"))) == "Thu 2026-12-24 12:45"
