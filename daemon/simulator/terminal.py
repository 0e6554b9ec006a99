"""What a person at another terminal, the market, and the risk desk do; and what a test may see of an account.

Accounts and contracts go by name here. Raises KeyError for names that do not exist.
"""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import attrs

from daemon.simulator.books import Books, Lot
from daemon.simulator.desk import Desk
from daemon.simulator.entities import Entities, Entity, number, stamp
from daemon.simulator.exchange import Exchange, Terms
from daemon.simulator.logins import Login
from daemon.simulator.orders import Marks, Order, Reject, Ticket
from daemon.simulator.products import Listing


def _lot(fill: Entity) -> Lot:
    return Lot(fill["id"], fill["qty"], Decimal(str(fill["price"])))


class Terminal:
    """The base of Broker; it has no state of its own."""

    now: Callable[[], datetime]
    entities: Entities
    exchange: Exchange
    books: Books
    desk: Desk
    logins: dict[str, Login]
    account_ids: dict[str, int]
    listings: dict[str, Listing]

    def ticket(
        self,
        account: str,
        action: str,
        symbol: str,
        qty: int,
        kind: str = "Market",
        *,
        price: Decimal | None = None,
        stop: Decimal | None = None,
        peg: Decimal | None = None,
        tif: str = "Day",
        expires: datetime | None = None,
        cl_ord_id: str | None = None,
    ) -> Ticket:
        """An order by hand. Raises KeyError for an unknown account or symbol."""
        account_id = self.account_ids[account]
        terms = Terms(qty, kind, price, stop, peg, tif=tif, expires=expires)
        return Ticket(account_id, self.listings[symbol], action == "Buy", terms, self.marks(account_id, cl_ord_id))

    def marks(self, account_id: int, cl_ord_id: str | None = None) -> Marks:
        """The marks of a person: the first user who sees the account, not automated."""
        sender = next(login.user_id for login in self.logins.values() if account_id in login.account_ids)
        return Marks(sender, cl_ord_id=cl_ord_id)

    def place(
        self,
        account: str,
        action: str,
        symbol: str,
        qty: int,
        kind: str = "Market",
        *,
        price: Decimal | None = None,
        stop: Decimal | None = None,
        peg: Decimal | None = None,
        tif: str = "Day",
        expires: datetime | None = None,
        cl_ord_id: str | None = None,
    ) -> int:
        """Place an order by hand; returns its id."""
        more: dict[str, Any] = {"price": price, "stop": stop, "peg": peg, "tif": tif, "expires": expires}
        ticket = self.ticket(account, action, symbol, qty, kind, cl_ord_id=cl_ord_id, **more)
        return self.desk.place(ticket).order_id

    def place_oco(self, first: Ticket, second: Ticket) -> tuple[int, int]:
        """Place two orders of which one cancels the other; make them with `ticket`."""
        one, two = self.desk.place_oco(first, second)
        return one.order_id, two.order_id

    def place_oso(self, parent: Ticket, *brackets: Ticket) -> list[int]:
        """Place an order with one or two children that wake when it fills; returns all ids, the parent's first."""
        return [order.order_id for order in self.desk.place_oso(parent, list(brackets))]

    def start_strategy(self, entry: Ticket, *brackets: tuple[Ticket, Ticket]) -> list[int]:
        """Start a multi-bracket: an entry, and for parts of it pairs of which one cancels the other; all ids."""
        family = self.desk.place_oso(entry, *(list(pair) for pair in brackets))
        strategy = self.entities.create(
            "orderStrategy",
            entry.account_id,
            accountId=entry.account_id,
            timestamp=stamp(self.now()),
            contractId=entry.listing.contract_id,
            orderStrategyTypeId=2,
            action=family[0].action,
            status="ActiveStrategy",
        )
        for place, order in enumerate(family):
            self.entities.create(
                "orderStrategyLink",
                entry.account_id,
                orderStrategyId=strategy["id"],
                orderId=order.order_id,
                label="entry" if not place else f"bracket{(place + 1) // 2}",
            )
        return [order.order_id for order in family]

    def modify(
        self,
        order_id: int,
        *,
        qty: int | None = None,
        kind: str | None = None,
        price: Decimal | None = None,
        stop: Decimal | None = None,
        peg: Decimal | None = None,
        tif: str | None = None,
    ) -> None:
        """Change an order by hand; what is not given stays. A finished order stays as it is."""
        order = self.desk.orders[order_id]
        if order.finished or order.pending:
            return
        terms = attrs.evolve(
            order.terms,
            qty=order.terms.qty if qty is None else qty,
            price=order.terms.price if price is None else price,
            kind=kind or order.terms.kind,
            stop_price=order.terms.stop_price if stop is None else stop,
            peg=order.terms.peg if peg is None else peg,
            tif=tif or order.terms.tif,
        )
        self.desk.modify(order, terms, self.marks(order.ticket.account_id))

    def cancel(self, order_id: int) -> None:
        """Cancel an order by hand. A finished order stays as it is."""
        order = self.desk.orders[order_id]
        if not order.finished and not order.pending:
            self.desk.cancel(order, self.marks(order.ticket.account_id))

    def flatten(self, account: str, symbol: str, marks: Marks | None = None) -> int | None:
        """Cancel the contract's orders and close its position at market; the closing order's id, None when flat."""
        account_id, listing = self.account_ids[account], self.listings[symbol]
        marks = marks or self.marks(account_id)
        for order in self.working(account):
            if order.symbol == symbol and not order.pending:
                self.desk.cancel(order, marks)
        net = self.books.net(account_id, listing.contract_id)
        if net == 0:
            return None
        return self.desk.place(Ticket(account_id, listing, net < 0, Terms(abs(net), "Market"), marks)).order_id

    def move(self, symbol: str, price: Decimal) -> None:
        """A trade in the market: resting orders are looked at."""
        self.desk.trade_all(self.exchange.move(symbol, price))

    def halt(self, symbol: str, halted: bool = True) -> None:
        """Stop or resume trading in one contract."""
        if halted:
            self.exchange.halted.add(symbol)
        else:
            self.exchange.halted.discard(symbol)
            self.move(symbol, self.exchange.last[symbol])

    def expires(self, symbol: str, moment: datetime) -> None:
        """The contract expires then."""
        self.entities.update("contractMaturity", self.listings[symbol].maturity_id, expirationDate=stamp(moment))

    def settle(self, account: str, profit: Decimal) -> None:
        """The account gains or loses so much, as if by trades elsewhere."""
        self.books.settle(self.account_ids[account], profit)

    def delist(self, symbol: str) -> None:
        """From now on there is no such contract: it cannot be found, and orders for it are refused."""
        listing = self.listings.pop(symbol)
        self.entities.forget("contract", listing.contract_id)

    def lock(self, account: str, reason: str | None = "TradingLocked") -> None:
        """Refuse the account's orders: TradingLocked, LiquidationOnly, AccountClosed; None lifts it."""
        account_id = self.account_ids[account]
        actions = {None: "Normal", "LiquidationOnly": "LiquidateOnlyModeImmediately"}
        if reason is None:
            self.desk.risk.locked.pop(account_id, None)
        else:
            self.desk.risk.locked[account_id] = reason
        action = actions.get(reason, "LockTradingImmediately")
        self.entities.update("accountRiskStatus", account_id, adminAction=action, adminTimestamp=stamp(self.now()))

    def limit_order_size(self, account: str, most: int) -> None:
        """The risk desk refuses larger orders of this account with MaxOrderQtyLimitReached."""
        self.desk.risk.most[self.account_ids[account]] = most

    def reject_next(
        self, account: str, reason: str, text: str = "refused on purpose", stage: str = "risk", times: int = 1
    ) -> None:
        """Refuse the account's next orders at "answer", "risk" or "exchange"."""
        queue = self.desk.risk.rejects.setdefault(self.account_ids[account], [])
        queue.extend(Reject(reason, text, stage) for _ in range(times))

    def bust(self, fill_id: int) -> None:
        """Cancel a trade: the fill turns inactive, a TradeCancel report says so, the position moves back."""
        row = self.entities.row("fill", fill_id)
        if row is not None and row.entity["active"]:
            self._report(row.entity, "TradeCancel")
            self._revise(row.entity, active=False)

    def correct(self, fill_id: int, *, price: Decimal | None = None, qty: int | None = None) -> None:
        """Correct a trade: a TradeCorrect report, the changed fill, and the position; money stays as it is."""
        row = self.entities.row("fill", fill_id)
        if row is None or not row.entity["active"]:
            return
        last_price = row.entity["price"] if price is None else number(price)
        last_qty = row.entity["qty"] if qty is None else qty
        self._report(row.entity, "TradeCorrect", lastQty=last_qty, lastPx=last_price)
        self._revise(row.entity, qty=last_qty, price=last_price)

    def _report(self, fill: Entity, exec_type: str, **more: int | float) -> None:
        """An executionReport that refers to the trade's own."""
        order = self.desk.orders[fill["orderId"]]
        reports = [r.entity for r in self.entities.rows("executionReport") if r.entity["orderId"] == order.order_id]
        trades = [r for r in reports if r["execType"] == "Trade"]
        alike = (r for r in trades if (r["lastQty"], r["lastPx"]) == (fill["qty"], fill["price"]))
        origin = next(alike, trades[0])
        self.desk.paper.execution(order, exec_type, order.status, order.order_id, execRefId=str(origin["id"]), **more)

    def _revise(self, fill: Entity, **changes: bool | int | float) -> None:
        before, ticket = _lot(fill), self.desk.orders[fill["orderId"]].ticket
        self.entities.update("fill", fill["id"], **changes)
        rows = [r.entity for r in self.entities.rows("fill")]
        standing = [one for one in rows if one["active"] and self._same(one, ticket)]
        after = _lot(fill) if fill["active"] else attrs.evolve(before, qty=0)
        left = [(_lot(one), one["action"] == "Buy") for one in standing]
        self.books.revise(ticket.account_id, ticket.listing, ticket.buy, before, after, left)

    def _same(self, fill: Entity, ticket: Ticket) -> bool:
        """Is it a fill of the account and the contract of this ticket?"""
        order = self.desk.orders.get(fill["orderId"])
        return order is not None and (order.ticket.account_id, order.ticket.listing) == (
            ticket.account_id,
            ticket.listing,
        )

    def liquidate(self, account: str, action: str | None = None) -> None:
        """The risk desk cancels all orders and closes all positions of an account; its orders carry `admin`.

        `action` is what it says beforehand in the account's accountRiskStatus, such as LiquidateImmediately.
        """
        account_id = self.account_ids[account]
        if action is not None:
            self.entities.update("accountRiskStatus", account_id, adminAction=action, adminTimestamp=stamp(self.now()))
        marks = attrs.evolve(self.marks(account_id), admin=True)
        for symbol in sorted({order.symbol for order in self.working(account)} | set(self.positions(account))):
            self.flatten(account, symbol, marks)

    # ---- what a test may see

    def orders(self, account: str) -> list[Order]:
        """All orders of an account, also those of former sessions."""
        account_id = self.account_ids[account]
        return [order for order in self.desk.log if order.ticket.account_id == account_id]

    def working(self, account: str) -> list[Order]:
        """The orders of an account that live."""
        return [order for order in self.orders(account) if not order.finished]

    def position(self, account: str, symbol: str) -> int:
        """The signed position."""
        return self.books.net(self.account_ids[account], self.listings[symbol].contract_id)

    def positions(self, account: str) -> dict[str, int]:
        """All open positions, by contract name."""
        return {symbol: net for symbol in self.listings if (net := self.position(account, symbol))}
