"""The risk check of the house: which accounts may trade what, and the refusals that a test has prepared."""

import attrs

from daemon.simulator.books import Books
from daemon.simulator.orders import Order, Reject


@attrs.define
class Risk:
    """All by account id."""

    books: Books
    rejects: dict[int, list[Reject]] = attrs.Factory(dict)
    most: dict[int, int] = attrs.Factory(dict)  # contracts that one order may have
    locked: dict[int, str] = attrs.Factory(dict)  # TradingLocked, LiquidationOnly, ...

    def prepared(self, account_id: int, stage: str) -> Reject | None:
        """Take the next prepared refusal if it is for this stage."""
        queue = self.rejects.get(account_id)
        return queue.pop(0) if queue and queue[0].stage == stage else None

    def objection(self, order: Order) -> Reject | None:
        """Why the house does not let it through to the exchange."""
        account_id = order.ticket.account_id
        lock = self.locked.get(account_id)
        if lock == "LiquidationOnly":
            net = self.books.net(account_id, order.ticket.listing.contract_id)
            signed = order.terms.qty if order.ticket.buy else -order.terms.qty
            lock = None if net * signed < 0 and abs(signed) <= abs(net) else lock
        if lock is not None and not order.ticket.marks.admin:
            return Reject(lock, f"Account is restricted: {lock}", "risk")
        if order.terms.qty > self.most.get(account_id, order.terms.qty):
            return Reject("MaxOrderQtyLimitReached", f"at most {self.most[account_id]} in one order", "risk")
        return self.prepared(account_id, "risk")
