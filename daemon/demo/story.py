"""What happens in the demo: three trades of a leader, two broken connections, and an order that the broker refuses.

Rule 1: the leader trades at the broker as a person at another terminal would; the daemon is told nothing.
Rule 2: after each act the accounts are looked at, at the broker: what is not there within LIMIT is a fault.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from random import Random

import attrs
import trio

from daemon.demo.cast import FOLLOWERS, LEADER, MARKET, OURS, PROP, SYMBOL
from daemon.demo.scene import Scene, words

LIMIT = 15.0  # seconds for what should follow from an act; two failed attempts to reconnect take six
AFTER_A_FAULT = 3.0  # seconds: one fault leads to others, and the viewer has seen enough
LOOK_EVERY = 0.02  # seconds
REACH = 2  # ticks that the price wanders by itself; resting orders are farther away
TICK_EVERY = 0.6  # seconds


@attrs.define(eq=False, repr=False)
class Story:
    """`pace` stretches the pauses between the acts. `faults` is what was not as it should be, in words."""

    scene: Scene
    say: Callable[[str], None]
    dice: Random
    pace: float = 1.0
    faults: list[str] = attrs.field(factory=list)
    _level: int = 0  # ticks from where the price began
    _away: int = 0

    async def tell(self) -> None:
        """The whole session. It ends with the leader flat and without working orders."""
        await self.until("all accounts are Connected", self.scene.copying)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._wander)
            await self._long_trade()
            await self._refused_order()
            await self._expired_token()
            nursery.cancel_scope.cancel()

    async def _long_trade(self) -> None:
        await self.act("The leader buys 4 ES at market.")
        self.place("Buy", 4)
        await self.look("everybody has bought")
        await self.act("The leader protects them: a stop to sell 4 ES, 12 ticks below.")
        stop = self.place("Sell", 4, "Stop", stop=-12)
        await self.until("every follower has a stop of its own at the broker", lambda: self._resting(1))
        await self.act("The leader wants 2 more with a limit order, 8 ticks below ...")
        more = self.place("Buy", 2, "Limit", limit=-8)
        await self.until("every follower has the limit order", lambda: self._resting(2))
        await self.act("... moves it up to 6 ticks below ...")
        self.scene.server.broker.modify(more, price=self.price(-6))
        await self.until("every follower's limit order has moved", lambda: self._resting(2, limit=self.price(-6)))
        await self.act("... and cancels it.")
        self.scene.server.broker.cancel(more)
        await self.until("every follower's limit order is cancelled", lambda: self._resting(1))
        await self._cut(stop)
        await self.act("The market falls through the stop. Each follower's own stop, at the broker, sells.")
        await self.move_to(-13)
        await self.look("everybody is flat")
        await self.until("no order is left working", lambda: self._resting(0))

    async def _cut(self, stop: int) -> None:
        await self.act("The socket of the login `prop` is cut now: half and micro are on their own.")
        self.scene.server.drop_sockets(PROP)
        await trio.sleep(0.2)
        self.say("In the gap the leader sells 2 of its 4 at market, and makes its stop one for 2.")
        self.place("Sell", 2)
        self.scene.server.broker.modify(stop, qty=2)
        await self.look("same has followed, for its connection is another one", "same")
        await self.until("half and micro are Connected again", self.scene.copying)
        self.say("half and micro are back. What was missed and reduces is made up for: they sell too.")
        await self.look("everybody has half of it left")
        await self.until("every stop is as large as the position that it protects", self._stops_fit)

    async def _refused_order(self) -> None:
        await self.act("The broker will refuse the next order of half (it says: position limit reached).")
        half = self.scene.broker_name("half")
        self.scene.server.reject_next(half, "MaxPosLimitReached", "the position limit is reached")
        self.say("The leader sells 2 ES short with a limit order 3 ticks above the market ...")
        self.place("Sell", 2, "Limit", limit=self._level + 3)
        await self.until("same and micro have the limit order", lambda: self._resting(1, but="half"))
        await self.act("... and the market rises to it. half stays out of this trade; the others do not notice.")
        await self.move_to(self._level + 4)
        await self.look("same and micro are short, half is flat", "same", "micro")
        await self.until("half has bought and sold nothing", lambda: not self._in(self.scene.holds("half")))
        await self.act("The leader buys its 2 back with a stop order 6 ticks above, and the market rises through it.")
        self.place("Buy", 2, "Stop", stop=self._level + 6)
        await self.until("same and micro have the stop order", lambda: self._resting(1, but="half"))
        await self.move_to(self._level + 7)
        await self.look("everybody is flat")

    async def _expired_token(self) -> None:
        await self.act("The leader buys 2 ES at market. The leader was flat, so half takes part again.")
        self.place("Buy", 2)
        await self.look("everybody has bought")
        await self.act("The token of the login `ours` expires, and its socket is cut: the leader itself is gone.")
        self.scene.server.expire_tokens(OURS)
        self.scene.server.drop_sockets(OURS)
        await trio.sleep(0.2)
        self.say("In the gap the leader buys 2 more. half and micro are Connected, but they hold: nothing opens.")
        before = {name: self.scene.holds(name) for name in FOLLOWERS}
        self.place("Buy", 2)
        await self.until("copierd has a new token and reads the leader again", self.scene.copying)
        self.say("The leader is back. An entry that was missed is not chased: the followers stay short of it.")
        await self.pause(1.5)
        await self.until("nobody has bought", lambda: all(self.scene.holds(n) == before[n] for n in FOLLOWERS))
        await self.act("The leader sells everything. The leader flat means the followers flat.")
        self.place("Sell", 4)
        await self.look("everybody is flat")
        await self.until("nothing is under way any more", lambda: not self.scene.busy() and self._resting(0))

    # ---- what the story is made of

    async def act(self, told: str) -> None:
        """A pause, so that the last act can be seen, and then the next one."""
        await self.pause(1.0)
        self.say(told)

    async def pause(self, seconds: float) -> None:
        await trio.sleep(seconds * self.pace)

    async def look(self, what: str, *followers: str) -> None:
        """Waits until these followers (all, when none is named) are where the rules want them, at the broker."""
        names = followers or FOLLOWERS
        await self.until(what, lambda: all(self._in(self.scene.holds(n)) == self.scene.target(n) for n in names))

    async def until(self, what: str, true: Callable[[], bool]) -> None:
        """Waits for it; what does not come true in time is a fault, and the story goes on."""
        limit = AFTER_A_FAULT if self.faults else LIMIT
        with trio.move_on_after(limit):
            while not true():  # noqa: ASYNC110 - it looks at the broker's books, which ring no bell
                await trio.sleep(LOOK_EVERY)
            return
        held = ", ".join(f"{name} {words(self.scene.holds(name))}" for name in FOLLOWERS)
        self.faults.append(f"not within {limit:g} s: {what} (at the broker: {held})")
        self.say(f"THIS IS WRONG: {self.faults[-1]}")

    def _in(self, positions: Mapping[str, int]) -> dict[str, int]:
        """The part in the contracts of the story: what strangers do in others is for the reckoning."""
        return {symbol: n for symbol, n in positions.items() if symbol in MARKET}

    def place(self, action: str, qty: int, kind: str = "Market", *, limit: int = 0, stop: int = 0) -> int:
        """The leader's order; prices in ticks from where the price began, for the kinds that have one."""
        return self.scene.server.broker.place(
            self.scene.broker_name(LEADER),
            action,
            SYMBOL,
            qty,
            kind,
            price=self.price(limit) if kind == "Limit" else None,
            stop=self.price(stop) if kind == "Stop" else None,
        )

    def price(self, ticks: int) -> Decimal:
        """So many ticks from where the price began."""
        exchange = self.scene.server.broker.exchange
        last = exchange.last[SYMBOL]
        return last + (ticks - self._level - self._away) * exchange.tick(SYMBOL)

    async def move_to(self, level: int) -> None:
        """The market moves there, one tick after the other."""
        while (now := self._level + self._away) != level:
            self._tick(now + (1 if level > now else -1), level)
            await self.pause(0.12)

    async def _wander(self) -> None:
        while True:
            await trio.sleep(TICK_EVERY)
            away = self._away + self.dice.choice((-1, 1))
            if abs(away) <= REACH:
                self._tick(self._level + away, self._level)

    def _tick(self, now: int, level: int) -> None:
        price = self.price(now)
        self._level, self._away = level, now - level
        for symbol in MARKET:
            self.scene.server.broker.move(symbol, price)

    def _resting(self, count: int, limit: Decimal | None = None, but: str | None = None) -> bool:
        """Has every follower so many working orders (none: `but`), one of them at this limit?"""
        for name in FOLLOWERS:
            orders = self.scene.working(name)
            wrong_limit = limit is not None and limit not in [order.terms.price for order in orders]
            if len(orders) != (0 if name == but else count) or wrong_limit:
                return False
        return True

    def _stops_fit(self) -> bool:
        for name in FOLLOWERS:
            stops = {order.symbol: order.left for order in self.scene.working(name)}
            if stops != self._in(self.scene.holds(name)):
                return False
        return True
