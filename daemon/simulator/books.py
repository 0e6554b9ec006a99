"""Bookkeeping of fills: position, first-in-first-out fill pairs, realized profit, cash balance."""

from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal

import attrs

from daemon.simulator.entities import Entities, number, stamp, trade_date
from daemon.simulator.products import Listing

ZERO = Decimal(0)


@attrs.define
class Lot:
    """What is left of one fill that opened a position."""

    fill_id: int
    qty: int
    price: Decimal


@attrs.define
class Holding:
    """One account's position in one contract."""

    position_id: int
    lots: deque[Lot] = attrs.Factory(deque)
    net: int = 0
    bought: int = 0
    bought_value: Decimal = ZERO
    sold: int = 0
    sold_value: Decimal = ZERO

    @property
    def average(self) -> Decimal | None:
        """The price of the open lots, None when flat."""
        total = sum(lot.qty for lot in self.lots)
        return sum((lot.price * lot.qty for lot in self.lots), ZERO) / total if total else None


@attrs.define
class Wallet:
    """One account's money."""

    balance_id: int
    cash: Decimal
    realized: Decimal = ZERO
    week: Decimal = ZERO


def _opened(fills: Iterable[tuple[Lot, bool]]) -> list[Lot]:
    """What is open of these fills, first in, first out."""
    lots: list[Lot] = []
    long = True
    for fill, bought in fills:
        left = fill.qty
        while left and lots and bought is not long:
            closed = min(left, lots[0].qty)
            lots[0].qty, left = lots[0].qty - closed, left - closed
            if lots[0].qty == 0:
                lots.pop(0)
        if left:
            long = bought
            lots.append(Lot(fill.fill_id, left, fill.price))
    return lots


class Books:
    """All holdings and wallets, kept in step with their entities."""

    def __init__(self, entities: Entities, now: Callable[[], datetime], currency_id: int) -> None:
        self._entities = entities
        self._now = now
        self._currency_id = currency_id
        self.holdings: dict[tuple[int, int], Holding] = {}
        self.wallets: dict[int, Wallet] = {}

    def open_account(self, account_id: int, cash: Decimal) -> None:
        """A new account with its cash balance."""
        moment = self._now()
        entity = self._entities.create(
            "cashBalance",
            account_id,
            accountId=account_id,
            timestamp=stamp(moment),
            tradeDate=trade_date(moment),
            currencyId=self._currency_id,
            amount=number(cash),
            realizedPnL=0,
            weekRealizedPnL=0,
        )
        self.wallets[account_id] = Wallet(entity["id"], cash)

    def net(self, account_id: int, contract_id: int) -> int:
        """The signed position."""
        holding = self.holdings.get((account_id, contract_id))
        return holding.net if holding else 0

    def book(self, account_id: int, listing: Listing, buy: bool, qty: int, price: Decimal, fill_id: int) -> None:
        """Book one fill: position first, then what it closed."""
        key = (account_id, listing.contract_id)
        created = key not in self.holdings
        holding = self.holdings.setdefault(key, Holding(self._entities.issue() if created else 0))
        before, signed = holding.net, qty if buy else -qty
        holding.net += signed
        if buy:
            holding.bought, holding.bought_value = holding.bought + qty, holding.bought_value + price * qty
        else:
            holding.sold, holding.sold_value = holding.sold + qty, holding.sold_value + price * qty
        pairs: list[tuple[Lot, int]] = []
        left = qty
        while left and before * signed < 0 and holding.lots:
            lot = holding.lots[0]
            closed = min(left, lot.qty)
            pairs.append((attrs.evolve(lot), closed))
            lot.qty, left = lot.qty - closed, left - closed
            if lot.qty == 0:
                holding.lots.popleft()
        if left:
            holding.lots.append(Lot(fill_id, left, price))
        self._show(account_id, listing.contract_id, holding, created)
        realized = ZERO
        for lot, closed in pairs:
            bought_at, sold_at = (price, lot.price) if buy else (lot.price, price)
            realized += (sold_at - bought_at) * closed * listing.product.value_per_point
            self._entities.create(
                "fillPair",
                account_id,
                positionId=holding.position_id,
                buyFillId=fill_id if buy else lot.fill_id,
                sellFillId=lot.fill_id if buy else fill_id,
                qty=closed,
                buyPrice=number(bought_at),
                sellPrice=number(sold_at),
                active=True,
            )
        if pairs:
            self._pay(account_id, realized)

    def revise(
        self, account_id: int, listing: Listing, buy: bool, before: Lot, after: Lot, left: Iterable[tuple[Lot, bool]]
    ) -> None:
        """Change one fill, to nothing when it is cancelled: the position moves; profits already paired stay.

        `left` are the fills that stand, oldest first, and whether they bought: what is open is of these.
        """
        holding = self.holdings[(account_id, listing.contract_id)]
        change, value = after.qty - before.qty, after.price * after.qty - before.price * before.qty
        holding.net += change if buy else -change
        if buy:
            holding.bought, holding.bought_value = holding.bought + change, holding.bought_value + value
        else:
            holding.sold, holding.sold_value = holding.sold + change, holding.sold_value + value
        holding.lots = deque(_opened(left))
        known = sum(lot.qty for lot in holding.lots)
        if known < abs(holding.net):  # of fills that the lists hold no more
            holding.lots.appendleft(Lot(holding.position_id, abs(holding.net) - known, before.price))
        self._show(account_id, listing.contract_id, holding, created=False)

    def open_profit(self, account_id: int, listings: dict[int, Listing], last: dict[str, Decimal]) -> Decimal:
        """What closing everything at the last price would bring."""
        total = ZERO
        for (owner, contract_id), holding in self.holdings.items():
            average = holding.average
            if owner == account_id and average is not None:
                listing = listings[contract_id]
                total += (last[listing.symbol] - average) * holding.net * listing.product.value_per_point
        return total

    def _show(self, account_id: int, contract_id: int, holding: Holding, created: bool) -> None:
        moment, average = self._now(), holding.average
        fields = {
            "timestamp": stamp(moment),
            "tradeDate": trade_date(moment),
            "netPos": holding.net,
            "netPrice": None if average is None else number(average),
            "bought": holding.bought,
            "boughtValue": number(holding.bought_value),
            "sold": holding.sold,
            "soldValue": number(holding.sold_value),
            "prevPos": 0,
        }
        if created:
            fields.update(accountId=account_id, contractId=contract_id)
            self._entities.create("position", account_id, holding.position_id, **fields)
        else:
            self._entities.update("position", holding.position_id, **fields)

    def settle(self, account_id: int, profit: Decimal) -> None:
        """The account gains or loses so much, as if by trades elsewhere."""
        self._pay(account_id, profit)

    def turn(self, tells: bool) -> None:
        """A new trading day: nothing is realized yet. Unless it `tells`, that is seen with the next profit only."""
        for account_id, wallet in self.wallets.items():
            wallet.realized = ZERO
            if tells:
                self._show_wallet(account_id)

    def _pay(self, account_id: int, profit: Decimal) -> None:
        wallet = self.wallets[account_id]
        wallet.cash, wallet.realized, wallet.week = wallet.cash + profit, wallet.realized + profit, wallet.week + profit
        self._show_wallet(account_id)

    def _show_wallet(self, account_id: int) -> None:
        wallet, moment = self.wallets[account_id], self._now()
        self._entities.update(
            "cashBalance",
            wallet.balance_id,
            timestamp=stamp(moment),
            tradeDate=trade_date(moment),
            amount=number(wallet.cash),
            realizedPnL=number(wallet.realized),
            weekRealizedPnL=number(wallet.week),
        )
