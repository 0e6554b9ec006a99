"""A power cut has taken the last decisions from the ledger; what came of them is at the broker, under its name."""

from __future__ import annotations

import attrs
import pytest

from statecharts import remnants
from statecharts.account import Account
from statecharts.draft import Draft
from statecharts.effects import LookUp, PlaceOco, PlaceOrder, PlaceOso
from statecharts.order import Stage
from statecharts.rules import Template
from statecharts.sizing import Kind
from statecharts.strangers import quarantined
from statecharts.values import Order, OrderId, Status, Symbol, VersionId
from statecharts.view import View
from tests.statecharts.desk import (
    BUY,
    ES,
    EVAL,
    LEAD_ID,
    MES,
    SELL,
    Desk,
    facts_of,
    follower,
    limit,
    order,
    rules,
    stop,
    terms,
)
from tests.statecharts.families import bracket, oco
from tests.statecharts.gaps import holding, ours
from tests.statecharts.test_penalties import put_off
from tests.statecharts.trader import Trader


def unwritten(desk: Desk, leaders: Order) -> tuple[Account, PlaceOrder]:
    """The account before the leader's order, and what it places for it, which a power cut takes from the ledger."""
    known = desk.account
    desk.leader(leaders)
    return known, desk.place


def forgets(desk: Desk, known: Account, *mine: Order, net: int = 0, positions: dict[Symbol, int] | None = None) -> None:
    """The machine starts again, with the account as an earlier moment has written it, and both are read anew."""
    desk.account = known
    desk.restarted()
    desk.resuming()
    desk.read_anew(*mine, positions=positions)
    view = View(LEAD_ID, desk.theirs.generation + 1, desk.theirs.orders, {ES: net} if net else {})
    desk.leader_read_anew(view)


def test_an_exit_that_rests_is_known_again_and_not_placed_twice() -> None:
    desk, entry = holding(2)
    known, place = unwritten(desk, order(101, SELL, limit(2)))
    desk.accepted(place, 901)
    forgets(desk, known, entry, ours(desk, place, 901), net=2, positions={ES: 2})
    assert desk.places == [] and desk.own == {ES: 2}
    assert (desk.copy_of(101).stage, desk.copy_of(101).order_id) == (Stage.WORKING, 901)
    assert "is ours: it is at the broker already" in desk.heard("copy.unknown")[0]
    assert desk.account.book.contract(ES).foreign == 0
    desk.read_anew(entry, ours(desk, place, 901), positions={ES: 2})
    assert not quarantined(desk.account.book.contract(ES)), "it is no order of somebody else's any more"
    desk.seen(place, 901, 2)
    assert desk.own == {}


def test_an_entry_that_has_filled_is_ours_and_the_leader_s_exit_closes_it() -> None:
    desk = follower()
    known, place = unwritten(desk, order(101, BUY, terms(2), 2))
    desk.fills(place, 901)
    forgets(desk, known, ours(desk, place, 901, 2), net=2, positions={ES: 2})
    assert desk.places == [] and desk.own == {ES: 2}
    assert (desk.copy_of(101).stage, desk.copy_of(101).kind) == (Stage.FILLED, Kind.ENTRY)
    assert not quarantined(desk.account.book.contract(ES))
    desk.leader(order(102, SELL, terms(2), 2))
    assert desk.quantities == [(SELL, 2)]


def test_an_entry_that_works_goes_on_as_the_copy_that_it_is() -> None:
    desk = follower()
    known, place = unwritten(desk, order(101, BUY, limit(2)))
    desk.accepted(place, 901)
    forgets(desk, known, ours(desk, place, 901))
    assert desk.places == [] and desk.copy_of(101).stage is Stage.WORKING
    desk.leader(order(101, BUY, limit(2), status=Status.CANCELED))
    assert [one.order_id for one in desk.cancels] == [901]


def test_what_somebody_else_has_beside_it_stays_his() -> None:
    desk = follower()
    known, place = unwritten(desk, order(101, BUY, terms(2), 2))
    desk.fills(place, 901)
    forgets(desk, known, ours(desk, place, 901, 2), net=2, positions={ES: 3})
    contract = desk.account.book.contract(ES)
    assert (contract.own, contract.foreign) == (2, 1)


def test_an_exit_that_has_filled_is_no_position_of_anybody_s() -> None:
    desk, entry = holding(2)
    known, place = unwritten(desk, order(101, SELL, terms(2), 2))
    desk.fills(place, 901)
    forgets(desk, known, entry, ours(desk, place, 901, 2))
    contract = desk.account.book.contract(ES)
    assert desk.places == [] and (contract.own, contract.foreign) == (0, 0)
    assert desk.copy_of(101).stage is Stage.FILLED


def test_a_closing_of_our_own_is_not_sent_twice_either() -> None:
    desk, entry = holding(2)
    known = desk.account
    desk.theirs = attrs.evolve(desk.theirs, net={})
    forgets(desk, known, entry, positions={ES: 2})
    place = desk.place
    assert desk.quantities == [(SELL, 2)], "the leader is flat"
    forgets(desk, known, entry, ours(desk, place, 901), positions={ES: 2})
    assert desk.places == []
    desk.seen(place, 901, 2)
    assert desk.places == [] and desk.own == {}


def pair_of_exits() -> tuple[Desk, Order, PlaceOco]:
    desk, entry = holding(2)
    desk.leader_read_anew(attrs.evolve(desk.theirs, generation=2, net={ES: 2}))
    desk.frame(*oco(101, (SELL, limit(2, 5020)), (SELL, stop(2))))
    pair = desk.place
    assert isinstance(pair, PlaceOco)
    return desk, entry, pair


def test_what_was_to_wait_and_has_gone_does_not_go_again() -> None:
    desk, entry, pair = pair_of_exits()
    put_off(desk, pair)
    known = desk.account
    desk.wait(5)
    assert desk.place == pair
    other = order(902, SELL, pair.other.terms, client_ids=frozenset({pair.other.client_id}))
    forgets(desk, known, entry, ours(desk, pair, 901), other, net=2, positions={ES: 2})
    desk.wait(60)
    assert [one for one in desk.everything if isinstance(one, PlaceOrder)][2:] == [pair]
    assert [desk.copy_of(number).stage for number in (101, 102)] == [Stage.WORKING, Stage.WORKING]


def test_of_an_oco_that_is_known_again_the_other_part_is_looked_up() -> None:
    desk, _, pair = pair_of_exits()
    book = desk.account.book
    assert book.mine is not None
    there = attrs.evolve(book, mine=book.mine.with_order(ours(desk, pair, 901)))
    draft = Draft(name=EVAL, at=desk.now, book=there, acting=True)
    assert remnants.claimed(draft, book.copies[pair.copy], rules())
    assert draft.book.copies[pair.copy].stage is Stage.WORKING
    assert draft.book.copies[pair.other.copy].stage is Stage.UNKNOWN
    assert [effect.copy for effect in draft.effects if isinstance(effect, LookUp)] == [pair.other.copy]


@pytest.mark.parametrize(("catch_up", "cancelled"), [("reduce", [901]), ("none", [])])
def test_an_entry_that_works_is_cancelled_when_the_leader_has_cancelled_his_meanwhile(
    catch_up: str, cancelled: list[int]
) -> None:
    desk = follower(catch_up=catch_up)
    known, place = unwritten(desk, order(101, BUY, limit(2)))
    desk.accepted(place, 901)
    desk.theirs = desk.theirs.with_order(order(101, BUY, limit(2), status=Status.CANCELED))
    forgets(desk, known, ours(desk, place, 901))
    assert [one.order_id for one in desk.cancels] == cancelled
    assert desk.copy_of(101).left is (catch_up == "none")


def test_an_entry_that_works_is_not_chased_when_the_leader_s_has_filled_meanwhile() -> None:
    desk = follower()
    known, place = unwritten(desk, order(101, BUY, limit(2)))
    desk.accepted(place, 901)
    desk.theirs = desk.theirs.with_order(order(101, BUY, limit(2), 2))
    forgets(desk, known, ours(desk, place, 901), net=2)
    assert desk.cancels == []
    desk.wait(5)
    assert [one.order_id for one in desk.cancels] == [901]


def test_what_the_leader_has_changed_since_is_known_by_its_first_terms_and_follows() -> None:
    desk, entry = holding(2)
    known, place = unwritten(desk, order(101, SELL, limit(2, 5020)))
    desk.accepted(place, 901)
    changed = order(101, SELL, limit(2, 5030), version=150, first_version=VersionId(101))
    desk.theirs = desk.theirs.with_order(changed)
    forgets(desk, known, entry, ours(desk, place, 901), net=2, positions={ES: 2})
    assert desk.places == [], "it went out twice"
    assert [(one.order_id, one.terms) for one in desk.modifies] == [(901, limit(2, 5030))]


def test_what_the_leader_has_changed_into_what_cannot_be_copied_stays_as_it_is() -> None:
    desk, entry = holding(2)
    known, place = unwritten(desk, order(101, SELL, limit(2, 5020)))
    desk.accepted(place, 901)
    changed = order(101, SELL, None, version=150, first_version=VersionId(101), unsupported="QTS")
    desk.theirs = attrs.evolve(desk.theirs, orders={**desk.theirs.orders, changed.id: changed})
    forgets(desk, known, entry, ours(desk, place, 901), net=2, positions={ES: 2})
    assert desk.places == [] and desk.modifies == []
    assert desk.copy_of(101).stage is Stage.WORKING


def test_an_exit_that_is_known_again_comes_back_when_it_has_made_way() -> None:
    desk, entry = holding(3)
    known, place = unwritten(desk, order(101, SELL, limit(2, 5020)))
    desk.accepted(place, 901)
    forgets(desk, known, entry, ours(desk, place, 901), net=3, positions={ES: 3})
    assert desk.copy_of(101).meant == 2
    desk.leader(order(102, SELL, terms(1), 1, unsupported="Spread"))
    assert [one.order_id for one in desk.cancels] == [901]
    desk.seen(place, 901, status=Status.CANCELED)
    assert desk.quantities == [(SELL, 1)]
    desk.fills(desk.place, 902)
    assert desk.quantities == [(SELL, 2)]


def test_an_execution_that_was_copied_is_ours_and_not_somebody_else_s() -> None:
    desk = follower(mode="fills")
    trader, known = Trader(desk), desk.account
    trader.trades(BUY, 2)
    place = desk.place
    desk.fills(place, 901)
    forgets(desk, known, ours(desk, place, 901, 2), net=2, positions={ES: 2})
    contract = desk.account.book.contract(ES)
    assert (contract.own, contract.foreign) == (2, 0)
    trader.trades(SELL, 2)
    assert desk.quantities == [(SELL, 2)], "the leader flat means the follower flat"


def pair_at_the_broker(entry: PlaceOso, awake: bool) -> tuple[Order, Order]:
    """The legs of an entry of ours, 901, as a snapshot shows them."""
    status = Status.WORKING if awake else Status.SUSPENDED
    one, other = (
        order(
            number,
            leg.side,
            leg.terms,
            status=status,
            client_ids=frozenset({leg.client_id}),
            parent_id=OrderId(901),
            oco_id=OrderId(902 + 903 - number),
        )
        for number, leg in zip((902, 903), entry.brackets, strict=True)
    )
    return one, other


@pytest.mark.parametrize("filled", [0, 2])
@pytest.mark.parametrize("of_template", [True, False])
def test_what_protects_an_entry_that_is_known_again_is_known_with_it(of_template: bool, filled: int) -> None:
    desk = follower(template=Template(stop=20, target=40) if of_template else None)
    desk.contract_read(facts_of(ES))
    known = desk.account
    if of_template:
        desk.leader(order(101, BUY, limit(2)))
    else:
        desk.frame(*bracket(101, limit(2)))
    entry = desk.place
    assert isinstance(entry, PlaceOso)
    desk.accepted(entry, 901, legs=(902, 903))
    if filled:
        for one in (order(101, BUY, limit(2), 2), *(() if of_template else bracket(101, limit(2), 2)[1:])):
            desk.theirs = desk.theirs.with_order(one)
    there = (ours(desk, entry, 901, filled), *pair_at_the_broker(entry, awake=filled > 0))
    forgets(desk, known, *there, net=filled, positions={ES: filled} if filled else {})
    book = desk.account.book
    assert desk.places == [] and desk.cancels == []
    assert not quarantined(book.contract(ES)) and book.contract(ES).own == filled
    one, other = (book.copies[book.orders[OrderId(number)]] for number in (902, 903))
    assert (one.stage, one.mate, other.mate) == (Stage.WORKING, other.id, one.id)
    assert one.guards == other.guards == one.sent_with == book.placed[OrderId(101)]
    if of_template and filled:
        desk.leader(order(110, SELL, terms(2), 2))
        assert desk.quantities == [(SELL, 2)]
        desk.fills(desk.place, 904)
        desk.wait(1)
        assert {one.order_id for one in desk.cancels} & {902, 903}, "no leg stays behind to open the other side"


def test_an_entry_that_came_to_nothing_is_known_again_and_gets_no_bracket() -> None:
    desk = follower(template=Template(stop=20))
    known, place = unwritten(desk, order(101, BUY, limit(2)))
    desk.accepted(place, 901)
    forgets(desk, known, ours(desk, place, 901, status=Status.CANCELED))
    assert desk.places == [] and desk.copy_of(101).stage is Stage.CANCELED
    assert not desk.account.book.contract(ES).guarded


def test_a_closing_of_the_same_name_in_another_contract_is_another_closing() -> None:
    """Both positions were adopted: no fill of ours is there yet that would tell the names apart."""
    desk, entry = holding(2)
    desk.theirs = attrs.evolve(desk.theirs, net={})
    forgets(desk, desk.account, entry, positions={ES: 2})
    closing = desk.account.book.copies[desk.place.copy]
    there = desk.account.book.mine
    assert there is not None
    book = attrs.evolve(desk.account.book, mine=there.with_order(ours(desk, desk.place, 901, 2)))
    draft = Draft(name=EVAL, at=desk.now, book=book, acting=True)
    assert not remnants.claimed(draft, attrs.evolve(closing, symbol=MES), rules())
    assert remnants.claimed(draft, closing, rules())


def test_a_stop_that_the_leader_has_moved_since_is_known_again_and_moved() -> None:
    desk = follower()
    known = desk.account
    desk.frame(*bracket(101, limit(2)))
    entry = desk.place
    assert isinstance(entry, PlaceOso)
    desk.accepted(entry, 901, legs=(902, 903))
    filled, target, protection = bracket(101, limit(2), 2)
    moved = attrs.evolve(protection, terms=stop(2, 4995), version=VersionId(150), first_version=protection.version)
    for one in (filled, target, moved):
        desk.theirs = desk.theirs.with_order(one)
    there = (ours(desk, entry, 901, 2), *pair_at_the_broker(entry, awake=True))
    forgets(desk, known, *there, net=2, positions={ES: 2})
    assert desk.places == [], "a second stop would open the other side"
    assert [(one.order_id, one.terms) for one in desk.modifies] == [(903, stop(2, 4995))]


def test_of_several_attempts_the_last_one_is_the_present_one() -> None:
    desk, entry = holding(3)
    known = desk.account
    desk.leader(order(101, SELL, limit(2, 5020)))
    first = desk.place
    desk.accepted(first, 901)
    desk.leader(order(102, SELL, terms(1), 1, unsupported="Spread"))
    desk.seen(first, 901, status=Status.CANCELED)
    closing = desk.place
    desk.fills(closing, 902)
    again = desk.place
    assert again.copy == first.copy and again.client_id != first.client_id
    desk.accepted(again, 903)
    gone = ours(desk, first, 901, status=Status.CANCELED)
    forgets(desk, known, entry, gone, ours(desk, closing, 902, 1), ours(desk, again, 903), net=2, positions={ES: 2})
    assert desk.places == [] and desk.own == {ES: 2}
    assert (desk.copy_of(101).stage, desk.copy_of(101).order_id) == (Stage.WORKING, 903)
    assert not quarantined(desk.account.book.contract(ES))
