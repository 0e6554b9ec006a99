"""Figures for Prometheus: read when they are asked for, from the same views as the status.

Rule 1: nothing is counted on the way of a copy for the sake of these figures.
Rule 2: a name of an account, a login or a contract is a label; a reason in words never is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

import attrs
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector
from starlette.responses import Response

from daemon.control import views

if TYPE_CHECKING:
    from daemon.control.evidence import Evidence
    from daemon.supervisor import Supervisor

STATES = ("Connected", "Reconnecting", "Disconnected", "TokenExpired")

Json = dict[str, Any]


def text(supervisor: Supervisor, evidence: Evidence) -> str:
    """All figures as they are now, in Prometheus's text format."""
    registry = CollectorRegistry()
    registry.register(_Figures(supervisor, evidence))
    ProcessCollector(registry=registry)
    return generate_latest(registry).decode()


def response(supervisor: Supervisor, evidence: Evidence) -> Response:
    return Response(text(supervisor, evidence), media_type=CONTENT_TYPE_PLAIN_0_0_4)


@attrs.frozen(eq=False)
class _Figures(Collector):
    supervisor: Supervisor
    evidence: Evidence

    def collect(self) -> Iterator[Metric]:
        status: Json = views.status(self.supervisor, self.evidence)
        yield InfoMetricFamily("copierd", "The daemon.", {"version": status["version"]})
        yield _gauge("copierd_started_seconds", "When it was started.", (), [((), _seconds(status["started_at"]))])
        yield from _of_accounts(status["accounts"])
        yield from _of_logins(status["logins"])
        yield from self._of_the_whole(status)

    def _of_the_whole(self, status: Json) -> Iterator[Metric]:
        events = CounterMetricFamily(
            "copierd_events", "What has been told since the start, by event.", labels=("event", "severity")
        )
        for (event, severity), count in self.supervisor.board.told.items():
            events.add_metric((event, severity), count)
        yield events
        yield CounterMetricFamily("copierd_account_crashes", "Accounts restarted after a bug.", self.supervisor.crashes)
        took = status["latency_ms"]
        quantiles = [((name,), took[key] / 1000) for name, key in (("0.5", "p50"), ("0.99", "p99")) if took["count"]]
        words = "From the decision to the last byte sent, over the newest copies."
        yield _gauge("copierd_send_seconds", words, ("quantile",), quantiles)


def _of_accounts(accounts: list[Json]) -> Iterator[Metric]:
    labels = ("account", "login", "role")
    names = {one["account"]: (one["account"], one["login"], one["role"]) for one in accounts}
    states = [((*names[one["account"]], state), one["state"] == state) for one in accounts for state in STATES]
    yield _gauge("copierd_account_state", "1 for the state that the account is in.", (*labels, "state"), states)
    for key, words in (
        ("copying", "Is it copying, with nothing in its way?"),
        ("expected", "Is it expected that it is not Connected: a maintenance window?"),
        ("paused", "Has the operator paused it?"),
        ("armed", "May its orders leave?"),
    ):
        found = [(names[one["account"]], one[key]) for one in accounts]
        yield _gauge(f"copierd_account_{key}", words, labels, found)
    blocked = [((one["account"], word), 1) for one in accounts for word in one["blocked_by"]]
    yield _gauge("copierd_account_blocked", "What keeps it from opening, one each.", ("account", "by"), blocked)
    yield _gauge(
        "copierd_position_contracts",
        "The account's position by the broker, signed.",
        ("account", "symbol"),
        [((one["account"], symbol), net) for one in accounts for symbol, net in one["positions"].items()],
    )
    yield _gauge(
        "copierd_unprotected_contracts",
        "How much of its position has no stop, though the leader has one.",
        ("account", "symbol"),
        [((one["account"], bare["symbol"]), bare["quantity"]) for one in accounts for bare in one["unprotected"]],
    )
    yield _gauge(
        "copierd_quarantined_contracts",
        "The part of a position that is not ours, signed.",
        ("account", "symbol"),
        [((one["account"], odd["symbol"]), odd["theirs"]) for one in accounts for odd in one["quarantined"]],
    )


def _of_logins(logins: list[Json]) -> Iterator[Metric]:
    for key, name, words in (
        ("requests_left", "requests_left", "Requests that it may still make, by its own budget."),
        ("clock_skew_ms", "clock_skew_milliseconds", "The broker's clock less this machine's."),
    ):
        found = [((one["login"],), one[key]) for one in logins if one[key] is not None]
        yield _gauge(f"copierd_login_{name}", words, ("login",), found)
    for key, words in (
        ("token_expires_at", "When its token ends."),
        ("refresh_expires_at", "When its authorization ends."),
        ("hold_until", "Until when the broker limits it."),
    ):
        instants = [((one["login"],), _seconds(one[key])) for one in logins if one[key]]
        yield _gauge(f"copierd_login_{key.removesuffix('_at')}_seconds", words, ("login",), instants)


def _gauge(name: str, words: str, labels: tuple[str, ...], found: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    family = GaugeMetricFamily(name, words, labels=labels)
    for values, figure in found:
        family.add_metric(values, float(figure))
    return family


def _seconds(instant: str) -> float:
    """Since 1970."""
    return datetime.fromisoformat(instant).timestamp()
