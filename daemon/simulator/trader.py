"""A leader that trades by script, directly at the broker as a person at another terminal would, and a price walk.

A script is any iterable of steps; each waits its `after` seconds since the step before. Prices are given in ticks from
the last price, so that a script fits any contract and any price.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from random import Random

import attrs
import trio

from daemon.simulator.broker import Broker
from daemon.simulator.orders import opposite

MICROS = {"ES": "MES", "NQ": "MNQ", "YM": "MYM", "RTY": "M2K", "GC": "MGC", "CL": "MCL"}
MONTH_LENGTH = 2  # Z6


@attrs.frozen
class Place:
    """Place an order; `limit` and `stop` are ticks from the last price. `label` names it for later steps."""

    after: float
    action: str
    qty: int
    kind: str = "Market"
    limit: int | None = None
    stop: int | None = None
    label: str = ""
    tif: str = "Day"


@attrs.frozen
class Bracket:
    """Place an entry with a target and a stop behind it (OSO); ticks from the last price, all of them."""

    after: float
    action: str
    qty: int
    target: int
    stop: int
    limit: int | None = None  # the entry; None: at market
    label: str = ""


@attrs.frozen
class Change:
    """Change a labelled order: new quantity, new prices in ticks from the last price."""

    after: float
    label: str
    qty: int | None = None
    limit: int | None = None
    stop: int | None = None


@attrs.frozen
class Cancel:
    """Cancel a labelled order."""

    after: float
    label: str


@attrs.frozen
class Flatten:
    """Cancel everything and close the position."""

    after: float


@attrs.frozen
class Move:
    """Move the price by so many ticks, one at a time, as a market does."""

    after: float
    ticks: int


@attrs.frozen
class Deed:
    """Anything else: an act of the broker or the server."""

    after: float
    act: Callable[[], object]


Step = Place | Bracket | Change | Cancel | Flatten | Move | Deed


@attrs.define
class Trader:
    """Trades one contract on one account."""

    broker: Broker
    account: str
    symbol: str
    script: Iterable[Step]
    labels: dict[str, int] = attrs.Factory(dict)
    done: int = 0

    async def run(self) -> None:
        """Carry out the script; returns when it ends."""
        for step in self.script:
            await trio.sleep(step.after)
            self._carry_out(step)
            self.done += 1

    def _carry_out(self, step: Step) -> None:
        broker = self.broker
        match step:
            case Place():
                order_id = broker.place(
                    self.account,
                    step.action,
                    self.symbol,
                    step.qty,
                    step.kind,
                    price=self._price(step.limit),
                    stop=self._price(step.stop),
                    tif=step.tif,
                )
                self.labels[step.label] = order_id
            case Bracket():
                self._bracket(step)
            case Change():
                order_id = self.labels[step.label]
                broker.modify(order_id, qty=step.qty, price=self._price(step.limit), stop=self._price(step.stop))
            case Cancel():
                broker.cancel(self.labels[step.label])
            case Flatten():
                broker.flatten(self.account, self.symbol)
            case Move():
                for _ in range(abs(step.ticks)):
                    shift(broker, self.symbol, 1 if step.ticks > 0 else -1)
            case Deed():
                step.act()

    def _bracket(self, step: Bracket) -> None:
        exit_action = opposite(step.action)
        kind = "Market" if step.limit is None else "Limit"
        ticket, account, symbol, qty = self.broker.ticket, self.account, self.symbol, step.qty
        ids = self.broker.place_oso(
            ticket(account, step.action, symbol, qty, kind, price=self._price(step.limit)),
            ticket(account, exit_action, symbol, qty, "Limit", price=self._price(step.target)),
            ticket(account, exit_action, symbol, qty, "Stop", stop=self._price(step.stop)),
        )
        self.labels[step.label] = ids[0]
        self.labels[f"{step.label}.target"], self.labels[f"{step.label}.stop"] = ids[1], ids[2]

    def _price(self, ticks: int | None) -> Decimal | None:
        if ticks is None:
            return None
        exchange = self.broker.exchange
        return exchange.last[self.symbol] + ticks * exchange.tick(self.symbol)


def shift(broker: Broker, symbol: str, ticks: int) -> None:
    """Move a market by so many ticks at once: a mini and its micro are of one index and have one price."""
    price = broker.exchange.last[symbol] + ticks * broker.exchange.tick(symbol)
    for one in market_of(symbol):
        broker.move(one, price)


def market_of(symbol: str) -> tuple[str, ...]:
    """The contract and, of the same month, its micro or its mini."""
    for pair in MICROS.items():
        for mine, other in (pair, pair[::-1]):
            month = symbol.removeprefix(mine)
            if symbol.startswith(mine) and len(month) == MONTH_LENGTH:
                return symbol, other + month
    return (symbol,)


async def walk(broker: Broker, symbols: Sequence[str], dice: Random, every: float = 1.0, reach: int = 40) -> None:
    """A random walk of one tick at a time that stays within `reach` ticks of where it began. Never returns."""
    start = {symbol: broker.exchange.last[symbol] for symbol in symbols}
    while True:
        await trio.sleep(every)
        for symbol in symbols:
            away = (broker.exchange.last[symbol] - start[symbol]) / broker.exchange.tick(symbol)
            step = dice.choice((-1, 1))
            shift(broker, symbol, -step if abs(away + step) > reach else step)


def showcase(pace: float = 1.0) -> Iterator[Step]:
    """One minute or so of everything a copier must copy: entries, limit, stop, modify, cancel, bracket, flat again.

    `pace` stretches the waits. It ends flat and without working orders.
    """
    steps: list[Step] = [
        Place(2, "Buy", 1),
        Place(4, "Sell", 1, "Stop", stop=-20, label="protection"),
        Place(3, "Buy", 1, "Limit", limit=-6, label="add"),
        Change(4, "protection", stop=-16),
        Change(3, "add", limit=-4),
        Move(3, -5),
        Cancel(4, "protection"),
        Place(3, "Sell", 2, "Limit", limit=3, label="target"),
        Move(4, 4),
        Bracket(5, "Sell", 1, target=-8, stop=8, label="short"),
        Change(5, "short.stop", stop=6),
        Place(4, "Buy", 1, "Limit", limit=-30, label="far"),
        Cancel(4, "far"),
        Flatten(5),
        Move(5, 1),
    ]
    yield from (attrs.evolve(step, after=step.after * pace) for step in steps)


def endless(pace: float = 1.0) -> Iterator[Step]:
    """The default script: the showcase again and again."""
    return itertools.chain.from_iterable(showcase(pace) for _ in itertools.count())
