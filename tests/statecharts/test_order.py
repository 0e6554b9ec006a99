"""The chart of one copy, walked row by row."""

from __future__ import annotations

import pytest

from statecharts import order
from statecharts.order import CHART, STAYS, Family, News, Stage
from statecharts.values import Status

FAMILIES = {
    Family.ANY: set(Stage),
    Family.OPEN: {stage for stage in Stage if stage.open},
    Family.LIVE: {stage for stage in Stage if stage.open} - {Stage.HELD},
    Family.DONE: {stage for stage in Stage if not stage.open},
}


def test_every_row_is_walked_and_every_other_pair_is_none() -> None:
    walked = set()
    for stage in Stage:
        for news in News:
            rows = [row for row in CHART.rows if row.event is news and (row.state is stage)]
            rows += [
                row
                for row in CHART.rows
                if row.event is news and isinstance(row.state, Family) and stage in FAMILIES[row.state]
            ]
            expected = None
            if rows:
                walked.add((rows[0].state, news))
                walked.update((row.state, news) for row in rows[1:])
                expected = stage if rows[0].then is STAYS else rows[0].then
            assert order.step(stage, news) is expected
    assert walked == {(row.state, row.event) for row in CHART.rows}


def test_a_stage_never_goes_back_towards_the_wire_but_an_exit_that_does_not_exist() -> None:
    towards = [Stage.HELD, Stage.INTENDED, Stage.SENT, Stage.ACCEPTED]
    for news in set(News) - {News.PUT_BACK}:
        for stage in (Stage.WORKING, *(stage for stage in Stage if not stage.open)):
            assert order.step(stage, news) not in towards
    for n, stage in enumerate(towards):
        for news in News:
            assert news is News.PUT_OFF or order.step(stage, news) not in towards[:n]


def test_unknown_is_left_only_by_what_the_broker_says() -> None:
    leaves = {news for news in News if order.step(Stage.UNKNOWN, news) not in (None, Stage.UNKNOWN)}
    assert leaves == {
        News.ACCEPTED, News.REFUSED, News.PUT_OFF, News.ABSENT, News.WORKING,
        News.FILLED, News.CANCELED, News.REJECTED, News.EXPIRED,
    }  # fmt: skip


@pytest.mark.parametrize("status", list(Status))
def test_every_status_of_the_broker_is_news_but_unknown(status: Status) -> None:
    assert (order.news_of(status) is None) == (status is Status.UNKNOWN)


def test_the_words_of_the_contract() -> None:
    words = {
        "intended", "sent", "working", "filled", "canceled", "rejected", "expired", "unknown", "skipped", "shadowed",
    }  # fmt: skip
    assert {stage.outcome for stage in Stage} == words
    assert Stage.HELD.outcome == "intended"
    assert Stage.ACCEPTED.outcome == "sent"
