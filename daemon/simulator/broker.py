"""The broker behind the wire: users, accounts, reference data, the desk, and what a test may see of all of them.

Rule 1: nothing here knows HTTP or WebSocket, and nothing here awaits but `run`.
Rule 2: the clock and the dice are arguments.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from random import Random

import attrs
import trio

from daemon.simulator.books import Books
from daemon.simulator.desk import Desk
from daemon.simulator.entities import OF_THE_SESSION, PLURALS, Entities, Entity, Row, lasting_id, number
from daemon.simulator.exchange import Exchange
from daemon.simulator.faults import Faults
from daemon.simulator.logins import Login, LoginSpec
from daemon.simulator.paperwork import Paperwork
from daemon.simulator.products import Listing
from daemon.simulator.reference import describe_account, describe_user, list_products
from daemon.simulator.terminal import Terminal

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


class Broker(Terminal):
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
        paper = Paperwork(self.entities, now, self._conditions)
        self.desk = Desk(
            self.entities, paper, self.exchange, self.books, now, dice, self.later, conditions=self._conditions
        )
        self.logins: dict[str, Login] = {}
        self.account_ids: dict[str, int] = {}
        self.newcomer_accounts: int | None = None
        self.past: dict[str, list[Row]] = {kind: [] for kind in OF_THE_SESSION}  # what the lists have forgotten
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
        login = Login(key, spec, describe_user(self.entities, spec, self.now(), self._id_of(spec.username)))
        for name in spec.accounts:
            if name not in self.account_ids:
                owner = self.entities.issue() if spec.firm else login.user_id
                account_id = self._id_of(f"account {name}")
                self.account_ids[name] = describe_account(self.entities, name, owner, self.now(), account_id)
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

    def _id_of(self, name: str) -> int:
        """Where newcomers are welcome they are the same users, with the same accounts, in the next life of this broker:
        a client that has lost it finds itself again."""
        return self.entities.issue() if self.newcomer_accounts is None else lasting_id(name)

    def _conditions(self) -> Faults:
        return self.faults

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

    def close_session(self) -> None:
        """The turn of the trading session: Day orders expire, lists forget all orders that are finished, and nothing
        is realized yet. What has yet to be answered is forgotten at the next one."""
        for order in list(self.desk.orders.values()):
            if not order.finished and order.terms.tif not in ("GTC", "GTD"):
                self.desk.expire(order)
        alive = {order.order_id for order in self.desk.orders.values() if order.pending or not order.finished}
        keep_commands = {row.entity["id"] for row in self.entities.rows("command") if row.entity["orderId"] in alive}
        for kind in OF_THE_SESSION:
            for row in list(self.entities.rows(kind)):
                entity = row.entity
                order_id = entity["id"] if kind == "order" else entity.get("orderId")
                if order_id in alive or (kind == "commandReport" and entity["commandId"] in keep_commands):
                    continue
                self.past[kind].append(row)
                self.entities.forget(kind, entity["id"])
        self.desk.orders = {order_id: order for order_id, order in self.desk.orders.items() if order_id in alive}
        self.books.turn(tells=not self.faults.quiet_turn)

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
            "weekRealizedPnL": number(wallet.week),
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
