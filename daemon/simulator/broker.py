"""The broker behind the wire: users, accounts, reference data, the desk, and what a test may see of all of them.

Rule 1: nothing here knows HTTP or WebSocket, and nothing here awaits but `run`.
Rule 2: the clock and the dice are arguments.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from random import Random

import attrs
import trio

from daemon.simulator.books import Books
from daemon.simulator.desk import Desk
from daemon.simulator.entities import OF_THE_SESSION, PLURALS, Entities, Entity, number, stamp
from daemon.simulator.exchange import Exchange, Terms
from daemon.simulator.faults import Faults
from daemon.simulator.logins import Login, LoginSpec
from daemon.simulator.orders import Marks, Order, Reject, Ticket
from daemon.simulator.paperwork import Paperwork
from daemon.simulator.products import Listing
from daemon.simulator.reference import describe_account, describe_user, list_products

MONTHS = ("Z6", "H7")


@attrs.frozen
class Accepted:
    """One order the broker took, for a test to count."""

    at: datetime
    account: str
    order_id: int
    cl_ord_id: str | None
    symbol: str
    action: str
    qty: int
    kind: str


class Broker:
    """Build with `Broker.build`; keep `run` alive in a nursery when any delay is not zero (`Server.run` does)."""

    def __init__(self, now: Callable[[], datetime], dice: Random, months: Sequence[str], faults: Faults) -> None:
        self.now = now
        self.dice = dice
        self.faults = faults
        self.entities = Entities(now)
        self.currency_id = int(self.entities.create("currency", None, name="USD", symbol="$")["id"])
        self.listings: dict[str, Listing] = list_products(self.entities, self.currency_id, months, now())
        self.contracts: dict[int, Listing] = {listing.contract_id: listing for listing in self.listings.values()}
        self.exchange = Exchange({symbol: listing.product for symbol, listing in self.listings.items()})
        self.books = Books(self.entities, now, self.currency_id)
        paper = Paperwork(self.entities, now)
        self.desk = Desk(
            self.entities, paper, self.exchange, self.books, now, dice, self.later, conditions=lambda: self.faults
        )
        self.logins: dict[str, Login] = {}
        self.account_ids: dict[str, int] = {}
        self.newcomer_accounts: int | None = None
        self._nursery: trio.Nursery | None = None
        self._waiting: list[tuple[float, Callable[[], None]]] = []

    @classmethod
    def build(
        cls,
        logins: Mapping[str, LoginSpec],
        *,
        now: Callable[[], datetime],
        dice: Random,
        months: Sequence[str] = MONTHS,
        faults: Faults | None = None,
        newcomer_accounts: int | None = None,
    ) -> "Broker":
        """A broker with these logins. With `newcomer_accounts`, unknown usernames get a login with so many accounts."""
        broker = cls(now, dice, months, faults or Faults())
        for key, spec in logins.items():
            broker.add_login(key, spec)
        broker.newcomer_accounts = newcomer_accounts
        return broker

    def add_login(self, key: str, spec: LoginSpec) -> Login:
        """Add a user, and those of its accounts that do not exist yet."""
        login = Login(key, spec, describe_user(self.entities, spec, self.now()))
        for name in spec.accounts:
            if name not in self.account_ids:
                owner = self.entities.issue() if spec.firm else login.user_id
                self.account_ids[name] = describe_account(self.entities, name, owner, self.now())
                self.books.open_account(self.account_ids[name], spec.cash)
            login.account_ids.append(self.account_ids[name])
        self.logins[key] = login
        return login

    def login_named(self, username: str) -> Login | None:
        """The login of a username; a newcomer's is made here when they are welcome."""
        for login in self.logins.values():
            if login.spec.username == username:
                return login
        if self.newcomer_accounts is None or not username:
            return None
        names = tuple(f"DEMO-{username}-{place + 1}" for place in range(self.newcomer_accounts))
        return self.add_login(username, LoginSpec(username=username, accounts=names))

    # ---- time

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Carry out what was put off. Runs until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            waiting, self._waiting = self._waiting, []
            for delay, act in waiting:
                nursery.start_soon(self._act_after, delay, act)
            task_status.started()
            try:
                await trio.sleep_forever()
            finally:
                self._nursery = None

    def later(self, delay: float, act: Callable[[], None]) -> None:
        """Do it so many seconds from now; at once when the delay is zero."""
        if delay <= 0:
            act()
        elif self._nursery is None:
            self._waiting.append((delay, act))
        else:
            self._nursery.start_soon(self._act_after, delay, act)

    async def _act_after(self, delay: float, act: Callable[[], None]) -> None:
        await trio.sleep(delay)
        act()

    # ---- what a person at another terminal, or the market, does

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
        cl_ord_id: str | None = None,
    ) -> Ticket:
        """An order by hand. Raises KeyError for an unknown account or symbol."""
        account_id = self.account_ids[account]
        terms = Terms(qty, kind, price, stop, peg, tif=tif)
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
        tif: str = "Day",
        cl_ord_id: str | None = None,
    ) -> int:
        """Place an order by hand; returns its id."""
        ticket = self.ticket(account, action, symbol, qty, kind, price=price, stop=stop, tif=tif, cl_ord_id=cl_ord_id)
        return self.desk.place(ticket).order_id

    def modify(
        self, order_id: int, *, qty: int | None = None, price: Decimal | None = None, stop: Decimal | None = None
    ) -> None:
        """Change an order by hand; what is not given stays. A finished order stays as it is."""
        order = self.desk.orders[order_id]
        if order.finished or order.pending:
            return
        terms = attrs.evolve(
            order.terms,
            qty=order.terms.qty if qty is None else qty,
            price=order.terms.price if price is None else price,
            stop_price=order.terms.stop_price if stop is None else stop,
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

    def lock(self, account: str, reason: str | None = "TradingLocked") -> None:
        """Refuse the account's orders: TradingLocked, LiquidationOnly, AccountClosed; None lifts it."""
        account_id = self.account_ids[account]
        actions = {None: "Normal", "LiquidationOnly": "LiquidateOnlyModeImmediately"}
        if reason is None:
            self.desk.locked.pop(account_id, None)
        else:
            self.desk.locked[account_id] = reason
        action = actions.get(reason, "LockTradingImmediately")
        self.entities.update("accountRiskStatus", account_id, adminAction=action, adminTimestamp=stamp(self.now()))

    def reject_next(
        self, account: str, reason: str, text: str = "refused by order of the test", stage: str = "risk", times: int = 1
    ) -> None:
        """Refuse the account's next orders at "answer", "risk" or "exchange"."""
        queue = self.desk.rejects.setdefault(self.account_ids[account], [])
        queue.extend(Reject(reason, text, stage) for _ in range(times))

    def bust(self, fill_id: int) -> None:
        """Cancel a trade: the fill turns inactive, a TradeCancel report says so, the position moves back."""
        row = self.entities.row("fill", fill_id)
        if row is None or not row.entity["active"]:
            return
        fill = row.entity
        order = self.desk.orders[fill["orderId"]]
        price = Decimal(str(fill["price"]))
        reports = [r.entity for r in self.entities.rows("executionReport") if r.entity["orderId"] == order.order_id]
        origin = next(r for r in reports if r["execType"] == "Trade")
        self.desk.paper.execution(order, "TradeCancel", order.status, order.order_id, execRefId=str(origin["id"]))
        self.entities.update("fill", fill_id, active=False)
        ticket = order.ticket
        self.books.bust(ticket.account_id, ticket.listing, ticket.buy, fill["qty"], price)

    def close_session(self) -> None:
        """The turn of the trading session: Day orders expire, and lists forget all orders that are finished."""
        for order in list(self.desk.orders.values()):
            if not order.finished and order.terms.tif not in ("GTC", "GTD"):
                self.desk.expire(order)
        alive = {order.order_id for order in self.desk.orders.values() if not order.finished}
        keep_commands = {row.entity["id"] for row in self.entities.rows("command") if row.entity["orderId"] in alive}
        for kind in OF_THE_SESSION:
            for row in list(self.entities.rows(kind)):
                entity = row.entity
                order_id = entity["id"] if kind == "order" else entity.get("orderId")
                if order_id in alive or (kind == "commandReport" and entity["commandId"] in keep_commands):
                    continue
                self.entities.forget(kind, entity["id"])
        self.desk.orders = {order_id: order for order_id, order in self.desk.orders.items() if order_id in alive}

    # ---- what a user may read

    def snapshot(self, login: Login, accounts: Sequence[int] | None = None) -> dict[str, list[Entity]]:
        """The body of `user/syncrequest`: every list under its plural name, only what this user sees."""
        wanted = set(login.account_ids if accounts is None else accounts) & set(login.account_ids)
        lists: dict[str, list[Entity]] = {}
        for kind, plural in PLURALS.items():
            rows = self.entities.rows(kind)
            if kind == "user":
                lists[plural] = [dict(row.entity) for row in rows if row.entity["id"] == login.user_id]
            else:
                lists[plural] = [dict(row.entity) for row in rows if row.owner is None or row.owner in wanted]
        used = {entity["contractId"] for entity in lists["orders"] + lists["positions"]}
        contracts = [entity for entity in lists["contracts"] if entity["id"] in used]
        maturities = {entity["contractMaturityId"] for entity in contracts}
        lists["contracts"] = contracts
        lists["contractMaturities"] = [entity for entity in lists["contractMaturities"] if entity["id"] in maturities]
        products = {entity["productId"] for entity in lists["contractMaturities"]}
        lists["products"] = [entity for entity in lists["products"] if entity["id"] in products]
        return lists

    def balance(self, account_id: int) -> Entity:
        """The body of `cashBalance/getcashbalancesnapshot`."""
        wallet = self.books.wallets[account_id]
        profit = self.books.open_profit(account_id, self.contracts, self.exchange.last)
        return {
            "totalCashValue": number(wallet.cash),
            "totalPnL": number(wallet.realized + profit),
            "initialMargin": 0,
            "maintenanceMargin": 0,
            "netLiq": number(wallet.cash + profit),
            "openPnL": number(profit),
            "realizedPnL": number(wallet.realized),
            "weekRealizedPnL": number(wallet.realized),
        }

    # ---- what only a test may see

    @property
    def accepted(self) -> list[Accepted]:
        """Every order ever accepted, oldest first."""
        names = {account_id: name for name, account_id in self.account_ids.items()}
        return [
            Accepted(
                order.created,
                names[order.ticket.account_id],
                order.order_id,
                order.ticket.marks.cl_ord_id,
                order.symbol,
                order.action,
                order.ticket.terms.qty,
                order.ticket.terms.kind,
            )
            for order in self.desk.log
        ]

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
