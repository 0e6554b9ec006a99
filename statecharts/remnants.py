"""What a power cut has made us forget, and the broker has still: an order of ours is known again by its name.

Rule 1: the same decision has the same name (`identity.py`). An order that has it, and that no copy of ours has made,
        was that decision's: it is taken back, and not sent again.
Rule 2: what of the position nobody could explain is its own, as far as it has filled, and no further.
Rule 3: of what went out with it nothing is known: each part is looked up by its own name.
"""

from __future__ import annotations

import attrs

from statecharts import legs, own_orders, strangers, unknowns
from statecharts.book import Book, Copy
from statecharts.draft import Draft
from statecharts.order import News, Stage
from statecharts.rules import CopyRules
from statecharts.values import Order

_WHY = "it is at the broker already, and the ledger of before a power cut does not know it"


def taken_back(draft: Draft, copy: Copy, rules: CopyRules) -> bool:
    """Is an order there already that this decision has made? Then it is this copy's, and nothing is to be sent."""
    order = _forgotten(draft.book, copy.client_id)
    if order is None:
        return False
    contract = draft.contract(copy.symbol)
    share = min(abs(order.net), abs(contract.foreign)) * order.side.sign if order.net * contract.foreign > 0 else 0
    strangers.note(draft, copy.symbol, contract.own + share - order.net, contract.foreign - share)
    copy = draft.keep(
        attrs.evolve(copy, stage=Stage.UNKNOWN, decided_at=draft.at, order_id=order.id, terms=order.terms or copy.terms)
    )
    draft.tell("copy.unknown", f"{unknowns.words(copy)} (order {order.id}) is ours: {_WHY}", copy=copy.id)
    for leg in legs.of(draft.book, copy):
        draft.news(attrs.evolve(leg, lost_at=draft.at), News.ANSWER_LOST, _WHY)
    own_orders.absorb(draft, copy, order, rules)
    return True


def _forgotten(book: Book, name: str) -> Order | None:
    assert book.mine is not None, "copying begins with both views"
    for number in sorted(book.mine.orders.keys() - book.orders.keys()):
        if name in book.mine.orders[number].client_ids:
            return book.mine.orders[number]
    return None
