"""What went out within the request of another: one answer, one doubt, one end."""

from __future__ import annotations

from datetime import timedelta

import attrs
import pytest

from statecharts import events as e
from statecharts.effects import PlaceOco, PlaceOso
from statecharts.order import Stage
from statecharts.values import Order, OrderId, Status, VersionId
from statecharts.view import Snapshot
from tests.statecharts.desk import BUY, ES, EVAL_ID, SELL, Desk, follower, in_position, limit, order, stop
from tests.statecharts.families import bracket, done, ended, oco


def sent_oso() -> tuple[Desk, PlaceOso]:
    desk = follower()
    desk.frame(*bracket(1, limit(2)))
    (place,) = desk.places
    assert isinstance(place, PlaceOso)
    desk.sent(place)
    return desk, place


def sent_oco() -> tuple[Desk, PlaceOco]:
    desk = in_position(2)
    desk.frame(*oco(1, (SELL, limit(2, 5020)), (SELL, stop(2))))
    (place,) = desk.places
    assert isinstance(place, PlaceOco)
    desk.sent(place)
    return desk, place


def stages(desk: Desk, *numbers: int) -> list[Stage]:
    return [desk.copy_of(number).stage for number in numbers]


def leg_order(place: PlaceOso, which: int, *, named: bool = True) -> Order:
    """The broker's view of a leg that sleeps; its entry is 901."""
    leg = place.brackets[which]
    return order(
        902 + which,
        leg.side,
        leg.terms,
        status=Status.SUSPENDED,
        client_ids=frozenset({leg.client_id}) if named else frozenset(),
        parent_id=OrderId(901),
        oco_id=OrderId(903 - which),
    )


def test_a_lost_answer_is_one_unknown_that_is_looked_up_by_the_entrys_id() -> None:
    desk, place = sent_oso()
    desk.answer_lost(place)
    assert stages(desk, 1, 2, 3) == [Stage.UNKNOWN] * 3
    (look_up,) = desk.look_ups
    assert look_up.client_id == place.client_id
    assert len(desk.heard("copy.unknown")) == 1
    desk.looked_up(look_up, 901)
    assert desk.copy_of(1).stage is Stage.ACCEPTED
    assert [one.client_id for one in desk.look_ups] == [leg.client_id for leg in place.brackets]
    for number, found in zip((902, 903), desk.look_ups, strict=True):
        desk.looked_up(found, number)
    assert [desk.copy_of(n).order_id for n in (1, 2, 3)] == [901, 902, 903]
    assert desk.places == []


def test_legs_of_an_entry_that_is_not_there_are_not_there_either() -> None:
    desk, place = sent_oso()
    desk.answer_lost(place)
    while desk.look_ups:
        (look_up,) = desk.look_ups
        desk.looked_up(look_up)
    assert stages(desk, 1, 2, 3) == [Stage.SKIPPED] * 3
    assert desk.places == []
    assert len([one for one in desk.everything if isinstance(one, PlaceOso)]) == 1


def test_a_lost_oco_of_exits_that_is_not_there_is_placed_anew_as_one() -> None:
    desk, place = sent_oco()
    desk.answer_lost(place)
    while desk.look_ups:
        (look_up,) = desk.look_ups
        desk.looked_up(look_up)
    (again,) = desk.places
    assert isinstance(again, PlaceOco)
    assert {again.client_id, again.other.client_id}.isdisjoint({place.client_id, place.other.client_id})


def test_a_look_up_that_fails_leaves_all_of_them_unknown() -> None:
    desk, place = sent_oso()
    desk.answer_lost(place)
    (look_up,) = desk.look_ups
    desk.hear(e.LookUpFailed(at=desk.now, copy=look_up.copy, client_id=look_up.client_id, reason="no session"))
    assert stages(desk, 1, 2, 3) == [Stage.UNKNOWN] * 3


def test_an_answer_that_names_no_leg_leaves_it_to_be_looked_up() -> None:
    desk, place = sent_oso()
    desk.accepted(place, 901, legs=(902,), working=False)
    assert stages(desk, 1, 2, 3) == [Stage.ACCEPTED, Stage.ACCEPTED, Stage.UNKNOWN]
    (look_up,) = desk.look_ups
    assert look_up.client_id == place.brackets[1].client_id


def test_an_entry_that_is_refused_takes_its_legs_with_it() -> None:
    desk, place = sent_oso()
    desk.refused(place, "InvalidPrice")
    assert stages(desk, 1, 2, 3) == [Stage.REJECTED] * 3
    assert "refused with its order" in (desk.copy_of(3).reason or "")
    assert desk.heard("position.unprotected") == []


def test_what_was_never_sent_takes_its_legs_with_it() -> None:
    desk = follower()
    desk.frame(*bracket(1, limit(2)))
    desk.never_sent(desk.place)
    assert stages(desk, 1, 2, 3) == [Stage.SKIPPED] * 3


def test_an_event_ends_the_doubt_before_any_look_up() -> None:
    desk, place = sent_oso()
    desk.answer_lost(place)
    desk.seen(place, 901)
    assert desk.copy_of(1).stage is Stage.WORKING
    assert [one.client_id for one in desk.look_ups] == [leg.client_id for leg in place.brackets]


@pytest.mark.parametrize("named", [True, False])
def test_legs_are_known_by_their_names_or_by_their_entry(named: bool) -> None:
    desk, place = sent_oso()
    desk.answer_lost(place)
    first, second = (leg_order(place, which, named=named) for which in (0, 1))
    entry = order(901, BUY, limit(2), client_ids=frozenset({place.client_id}))
    desk.hear(e.OrderSeen(at=desk.now, order=entry, beside=(second, first)))
    assert [desk.copy_of(n).order_id for n in (1, 2, 3)] == [901, 902, 903]
    assert stages(desk, 1, 2, 3) == [Stage.WORKING] * 3
    assert desk.heard("account.quarantined") == []


def test_an_unnamed_partner_is_known_by_the_order_that_it_belongs_to() -> None:
    desk, place = sent_oco()
    desk.seen(place, 901, oco_id=OrderId(902))
    other = order(902, SELL, stop(2), oco_id=OrderId(901))
    desk.foreign(other)
    assert desk.copy_of(2).order_id == 902


def test_a_stranger_with_our_entry_as_parent_is_not_a_leg() -> None:
    desk, place = sent_oso()
    desk.seen(place, 901)
    desk.foreign(order(909, BUY, stop(2, 5050), parent_id=OrderId(901)))
    assert stages(desk, 2, 3) == [Stage.SENT] * 2


def test_a_restart_looks_for_the_request_once() -> None:
    desk, _ = sent_oso()
    desk.restarted()
    desk.resuming()
    desk.read_anew()
    assert len(desk.look_ups) == 1
    assert stages(desk, 1, 2, 3) == [Stage.UNKNOWN] * 3


def test_a_restart_finds_a_whole_family_in_the_snapshot() -> None:
    desk, place = sent_oso()
    desk.restarted()
    desk.resuming()
    entry = order(901, BUY, limit(2), client_ids=frozenset({place.client_id}))
    desk.read_anew(entry, leg_order(place, 0), leg_order(place, 1))
    assert stages(desk, 1, 2, 3) == [Stage.WORKING] * 3


def test_the_broker_is_given_time_for_the_cancel_that_it_makes_by_itself() -> None:
    desk, place = sent_oco()
    desk.accepted(place, 901, legs=(902,))
    desk.foreign(order(902, SELL, stop(2), oco_id=OrderId(901), client_ids=frozenset({place.other.client_id})))
    first, second = oco(1, (SELL, limit(2, 5020)), (SELL, stop(2)))
    desk.frame(ended(first), ended(second))
    (cancel,) = desk.cancels
    desk.accepted(cancel)
    assert desk.cancels == []
    gone = desk.account.book.mine.orders[cancel.order_id] if desk.account.book.mine else None
    assert gone is not None
    desk.foreign(ended(gone))
    assert desk.cancels == []
    desk.wait(0.5)
    assert len(desk.cancels) == 1


def test_legs_that_the_broker_cancels_with_an_entry_of_ours_say_whose_cancel_it_was() -> None:
    desk, place = sent_oso()
    desk.accepted(place, 901, legs=(902, 903))
    ours = (
        order(901, BUY, limit(2), client_ids=frozenset({place.client_id})),
        leg_order(place, 0),
        leg_order(place, 1),
    )
    desk.frame(done(bracket(1, limit(2))[0]))
    desk.wait(5)
    (cancel,) = desk.cancels
    assert cancel.order_id == 901
    for one in reversed(ours):
        desk.foreign(ended(one))
    assert stages(desk, 1, 2, 3) == [Stage.CANCELED] * 3
    for number in (2, 3):
        assert (
            desk.copy_of(number).reason
            == "cancelled with its entry: the leader's order is complete; ours is not chased"
        )


def test_the_book_remembers_the_families_that_it_looks_after() -> None:
    desk, place = sent_oso()
    desk.accepted(place, 901, legs=(902, 903))
    desk.lost()
    desk.resuming()
    first, second = leg_order(place, 0), leg_order(place, 1)
    awake = [attrs.evolve(one, status=Status.WORKING) for one in (first, second)]
    desk.now += timedelta(days=1)
    taken = Snapshot(EVAL_ID, desk.now, {one.id: one for one in awake}, {ES: 2})
    desk.hear(e.SnapshotTaken(at=desk.now, snapshot=taken))
    assert desk.copy_of(1).id in desk.account.book.copies


def penalised(desk: Desk, place: PlaceOso | PlaceOco, seconds: int, captcha: bool = False) -> None:
    desk.hear(
        e.RequestPenalised(
            at=desk.now,
            copy=place.copy,
            client_id=place.client_id,
            seconds=seconds,
            captcha=captcha,
            sent_at=desk.now,
        )
    )


def test_what_the_broker_puts_off_goes_again_with_its_legs_the_very_same_request() -> None:
    desk, place = sent_oso()
    penalised(desk, place, 3)
    assert stages(desk, 1, 2, 3) == [Stage.HELD] * 3
    assert desk.places == []
    desk.wait(3)
    assert desk.place == place
    desk.accepted(place, 901, legs=(902, 903))
    assert [desk.copy_of(n).order_id for n in (1, 2, 3)] == [901, 902, 903]


def test_legs_go_again_as_the_leader_has_them_by_then() -> None:
    desk, place = sent_oso()
    penalised(desk, place, 3)
    _, target, stopped = bracket(1, limit(2))
    desk.leader(attrs.evolve(stopped, terms=stop(2, 4980), version=VersionId(1003)))
    desk.leader(ended(target))
    desk.wait(3)
    (again,) = desk.places
    assert isinstance(again, PlaceOso)
    (leg,) = again.brackets
    assert (leg.client_id, leg.terms) == (place.brackets[1].client_id, stop(2, 4980))
    assert stages(desk, 1, 2, 3) == [Stage.INTENDED, Stage.SKIPPED, Stage.INTENDED]
    assert desk.copy_of(3).mate is None
    desk.accepted(again, 901, legs=(903,))
    assert desk.modifies == []


def test_an_entry_whose_legs_are_gone_by_then_goes_alone() -> None:
    desk, place = sent_oso()
    penalised(desk, place, 3)
    desk.leader(*(ended(leg) for leg in bracket(1, limit(2))[1:]))
    desk.wait(3)
    assert not isinstance(desk.place, PlaceOso)
    assert desk.place.client_id == place.client_id


def test_legs_of_an_entry_that_is_no_more_fresh_go_with_it() -> None:
    desk, place = sent_oso()
    penalised(desk, place, 30)
    assert stages(desk, 1, 2, 3) == [Stage.REJECTED] * 3
    desk, place = sent_oso()
    penalised(desk, place, 3)
    desk.lost()
    desk.wait(60)
    desk.resuming()
    desk.read_anew()
    desk.leader_read_anew()
    assert desk.places == []
    assert stages(desk, 1, 2, 3) == [Stage.SKIPPED] * 3


def test_an_oco_that_the_broker_puts_off_goes_again_as_one() -> None:
    desk, place = sent_oco()
    penalised(desk, place, 3)
    assert stages(desk, 1, 2) == [Stage.HELD] * 2
    desk.wait(3)
    (again,) = desk.places
    assert isinstance(again, PlaceOco)
    assert (again.client_id, again.other.client_id) == (place.client_id, place.other.client_id)


def test_what_needs_a_captcha_is_refused_with_its_legs() -> None:
    desk, place = sent_oso()
    penalised(desk, place, 3, captcha=True)
    assert stages(desk, 1, 2, 3) == [Stage.REJECTED] * 3


def test_an_answer_says_nothing_new_of_a_leg_that_was_seen_before() -> None:
    desk, place = sent_oso()
    desk.foreign(leg_order(place, 1))
    desk.accepted(place, 901, legs=(902, 903))
    assert stages(desk, 2, 3) == [Stage.ACCEPTED, Stage.WORKING]


def test_a_pair_of_exits_that_needs_a_captcha_goes_as_one_when_the_hour_is_over() -> None:
    desk, place = sent_oco()
    penalised(desk, place, 3, captcha=True)
    assert stages(desk, 1, 2) == [Stage.HELD] * 2
    for _ in range(5):
        desk.wait(600)
        assert desk.places == []
    desk.wait(601)
    (again,) = desk.places
    assert isinstance(again, PlaceOco) and again.terms.quantity == 2


def test_two_entries_that_are_refused_as_one_are_one_refusal() -> None:
    desk = follower()
    desk.frame(*oco(1, (BUY, limit(2, 4990)), (BUY, stop(2, 5010))))
    (place,) = desk.places
    assert isinstance(place, PlaceOco)
    desk.refused(place, "InsufficientFunds", "margin")
    assert stages(desk, 1, 2) == [Stage.REJECTED] * 2
    assert desk.account.book.margin_refusals == 1
    assert len(desk.heard("copy.failed")) == 1
