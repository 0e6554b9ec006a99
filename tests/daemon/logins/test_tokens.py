"""The one token of a login, with a grant whose every answer is written here: when it is asked, and when it is not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import attrs
import pytest
import trio

from daemon.ledger import Ledger
from daemon.logins.budget import Budget
from daemon.logins.grant import GrantAnswer, NoToken, Token, WrongUser
from daemon.logins.standing import Standing
from daemon.logins.tokens import Tokens
from daemon.ports import Ports
from daemon.tradovate.answers import BadCredentials, Granted, Limited, NotActive, Penalised, TokenExpired, Unreachable
from statecharts.states import Cause
from tests.daemon.logins import scripted
from tests.daemon.logins.scripted import ScriptedNetwork, told, wall

LIFE = 5400.0


@attrs.define(eq=False)
class ScriptedGrant:
    """Answers what `script` says next, and grants when that is at its end."""

    script: list[GrantAnswer] = attrs.field(factory=list)
    extends: GrantAnswer | None = None
    unaccepted: set[str] = attrs.field(factory=set)
    asked: list[tuple[float, str]] = attrs.field(factory=list)
    tickets: list[str] = attrs.field(factory=list)  # shown with each
    credential: str = "first"
    asked_with: str = ""
    outlasts_tokens: bool = False
    takes: float = 0.5  # seconds

    def fingerprint(self) -> str:
        return self.credential

    async def obtain(self, ticket: str = "") -> GrantAnswer:
        self.asked_with = self.credential
        return await self._answer("obtain", ticket)

    async def renew(self, token: Token, ticket: str = "") -> GrantAnswer:
        return await self._answer("renew", ticket)

    async def accepted(self, token: str) -> bool:
        await trio.lowlevel.checkpoint()
        return token not in self.unaccepted

    async def extend(self, token: Token) -> GrantAnswer:
        answer = await self._answer("extend", "")
        return self.extends or answer

    async def _answer(self, what: str, ticket: str) -> GrantAnswer:
        self.asked.append((trio.current_time(), what))
        self.tickets.append(ticket)
        await trio.sleep(self.takes)
        if self.script:
            return self.script.pop(0)
        return Granted(f"tok-{len(self.asked)}", wall() + timedelta(seconds=LIFE), 7, "Active", None)

    def times(self, what: str) -> list[float]:
        return [at for at, one in self.asked if one == what]


@contextmanager
def _kept(nursery: trio.Nursery, path: Path, grant: ScriptedGrant) -> Iterator[Tokens]:
    ledger = Ledger.open(path / "ledger.sqlite")
    ports = Ports(wall, scripted.dice(), ScriptedNetwork(nursery))
    budget = Budget(wall, ledger)
    tokens = Tokens("apex", grant, ledger, ports, budget, lambda event, words, remedy=None: None, lambda secret: None)
    tokens.load()
    life = trio.CancelScope()

    async def keep() -> None:
        with life:
            await tokens.keep_fresh()

    nursery.start_soon(keep)
    yield tokens
    life.cancel()
    ledger.close()


def test_twenty_who_ask_at_once_get_the_token_of_one_request(tmp_path: Path) -> None:
    async def story(nursery: trio.Nursery) -> None:
        grant, got = ScriptedGrant(), list[Token]()

        async def ask() -> None:
            got.append(await tokens.valid())

        with _kept(nursery, tmp_path, grant) as tokens:
            async with trio.open_nursery() as askers:
                for _ in range(20):
                    askers.start_soon(ask)
            assert len(got) == 20
            assert len({token.text for token in got}) == 1
            assert grant.asked == [(0.0, "obtain")]

    told(story)


def test_the_end_of_the_password_stays_known_over_a_restart(tmp_path: Path) -> None:
    async def story(nursery: trio.Nursery) -> None:
        ends, grant = wall() + timedelta(days=90), ScriptedGrant()
        first = Granted("tok-a", wall() + timedelta(seconds=LIFE), 7, "Active", None, password_expires_at=ends)
        grant.script = [first]
        with _kept(nursery, tmp_path, grant) as tokens:
            assert tokens.purse.password_expires_at is None
            await tokens.valid()
            assert tokens.purse.password_expires_at == ends
        with _kept(nursery, tmp_path, grant) as tokens:
            assert tokens.purse.password_expires_at == ends
            await trio.sleep(LIFE)  # renewed by an answer that does not tell it
            assert tokens.purse.password_expires_at == ends

    told(story)


def test_it_is_renewed_at_two_thirds_and_so_is_every_one_after_it(tmp_path: Path) -> None:
    async def story(nursery: trio.Nursery) -> None:
        grant = ScriptedGrant()
        with _kept(nursery, tmp_path, grant) as tokens:
            await tokens.valid()
            await trio.sleep(5 * LIFE)
            times = [grant.times("obtain")[0], *grant.times("renew")]
            assert len(times) >= 7
            shares = [(later - earlier) / LIFE for earlier, later in pairwise(times)]
            assert all(0.64 < share < 0.69 for share in shares)
            assert grant.times("obtain") == [0.0]

    told(story)


@pytest.mark.parametrize(
    ("reopens", "first"),
    [(1.2, LIFE * 2 / 3), (0.9, LIFE * 0.9 + 60), (0.6, LIFE * 2 / 3)],
    ids=["it ends before the reopening", "it lasts beyond the reopening", "the reopening comes first"],
)
def test_while_nobody_needs_it_it_is_renewed_only_if_it_ends_before_the_reopening(
    tmp_path: Path, reopens: float, first: float
) -> None:
    async def story(nursery: trio.Nursery) -> None:
        grant = ScriptedGrant()
        with _kept(nursery, tmp_path, grant) as tokens:
            await tokens.valid()
            end = wall() + timedelta(seconds=LIFE * reopens)
            tokens.asleep_until = lambda: end if wall() < end else None
            await trio.sleep(LIFE)
            assert grant.times("renew")[0] == pytest.approx(first, abs=LIFE * 0.021)

    told(story)


def test_a_token_that_has_ended_is_not_asked_for_before_the_reopening(tmp_path: Path) -> None:
    """A grant that can renew also an ended one would go on, all weekend long."""

    async def story(nursery: trio.Nursery) -> None:
        grant = ScriptedGrant()
        grant.outlasts_tokens = True
        with _kept(nursery, tmp_path, grant) as tokens:
            await tokens.valid()
            end = wall() + timedelta(seconds=LIFE * 10)
            tokens.asleep_until = lambda: end
            grant.script = [Unreachable("no route")] * 1000
            await trio.sleep(LIFE * 9.9)
            assert all(at < LIFE for at in grant.times("renew"))
            grant.script.clear()
            await trio.sleep(LIFE * 0.2)
            assert tokens.current is not None and grant.times("renew")[-1] >= LIFE * 10

    told(story)


def test_a_refresh_token_that_ends_before_the_reopening_is_used(tmp_path: Path) -> None:
    async def story(nursery: trio.Nursery) -> None:
        grant = ScriptedGrant()
        with _kept(nursery, tmp_path, grant) as tokens:
            await tokens.valid()
            tokens.purse.refresh_expires_at = wall() + timedelta(seconds=LIFE * 0.8)
            end = wall() + timedelta(seconds=LIFE * 0.85)
            tokens.asleep_until = lambda: end
            await trio.sleep(LIFE * 0.75)
            assert len(grant.times("renew")) == 1

    told(story)


@pytest.mark.parametrize("failure", [Unreachable("no route"), Limited(429, None), TokenExpired("ended")])
def test_a_renewal_that_fails_is_tried_again_ever_more_slowly_and_not_after_the_end(
    tmp_path: Path, failure: GrantAnswer
) -> None:
    async def story(nursery: trio.Nursery) -> None:
        grant = ScriptedGrant()
        with _kept(nursery, tmp_path, grant) as tokens:
            await tokens.valid()
            grant.script = [failure] * 1000
            await trio.sleep(3 * LIFE)
            times = grant.times("renew")
            assert 4 <= len(times) <= 12
            assert times[-1] <= LIFE - 240
            assert tokens.current is None
            grant.script = []
            assert (await tokens.valid()).text.startswith("tok-")
            await trio.sleep(LIFE)
            assert grant.times("renew")[-1] > times[-1]

    told(story)


@pytest.mark.parametrize("no", [BadCredentials("Incorrect username or password"), NotActive("Closed")])
def test_a_refusal_is_remembered_also_over_a_restart_until_something_changes(tmp_path: Path, no: GrantAnswer) -> None:
    async def story(nursery: trio.Nursery) -> None:
        grant = ScriptedGrant([no])
        for _ in range(3):  # three processes
            with _kept(nursery, tmp_path, grant) as tokens:
                for _ in range(5):
                    with pytest.raises(NoToken) as refused:
                        await tokens.valid()
                    assert refused.value.final
                    assert refused.value.cause is Cause.CREDENTIALS
                    await trio.sleep(100)
            await trio.sleep(1)
        assert len(grant.asked) == 1
        with _kept(nursery, tmp_path, grant) as tokens:
            tokens.credential_changed()
            await tokens.valid()
            assert len(grant.asked) == 2

    told(story)


@pytest.mark.parametrize(
    ("held", "seconds"),
    [
        (Penalised("ticket", 40, captcha=False), 40),
        (Penalised("ticket", 15, captcha=True), 3600),
        (Limited(429, None), 30),
        (Limited(423, 90.0), 90),
    ],
)
def test_inside_a_hold_nothing_is_asked(tmp_path: Path, held: GrantAnswer, seconds: float) -> None:
    async def story(nursery: trio.Nursery) -> None:
        grant = ScriptedGrant([held])
        with _kept(nursery, tmp_path, grant) as tokens:
            while trio.current_time() < seconds - 2:
                with pytest.raises(NoToken) as nothing:
                    await tokens.valid()
                assert nothing.value.cause is Cause.PENALTY
                assert not nothing.value.final
                await trio.sleep(1)
            assert len(grant.asked) == 1
            await trio.sleep(3)
            await tokens.valid()
            assert len(grant.asked) == 2

    told(story)


def test_a_token_that_the_broker_refuses_is_replaced_at_once_and_then_ever_more_slowly(tmp_path: Path) -> None:
    async def story(nursery: trio.Nursery) -> None:
        grant = ScriptedGrant(takes=0.0, extends=TokenExpired("ended"))
        with _kept(nursery, tmp_path, grant) as tokens:
            while trio.current_time() < 3600:
                if tokens.restraint.hold is None:
                    assert await tokens.standing(401, await tokens.valid()) is Standing.VOID
                    tokens.refused()
                await trio.sleep(1)
            assert len(grant.times("obtain")) <= 5
            while tokens.restraint.hold is not None:
                await trio.sleep(60)
            await tokens.valid()
            tokens.accepted()
            await tokens.standing(401)
            tokens.refused()
            await tokens.valid()  # the first refusal after it went well: at once again

    told(story)


def test_a_token_of_a_clock_that_is_wrong_is_no_reason_to_ask_again_and_again(tmp_path: Path) -> None:
    async def story(nursery: trio.Nursery) -> None:
        grant = ScriptedGrant()
        grant.script = [Granted(f"t{n}", wall() - timedelta(hours=2), 7, "Active", None) for n in range(100)]
        with _kept(nursery, tmp_path, grant) as tokens:
            while trio.current_time() < 1200:
                with pytest.raises(NoToken):
                    await tokens.valid()
                await trio.sleep(1)
            assert len(grant.asked) <= 5

    told(story)


def test_a_valid_token_of_the_last_process_is_used_and_an_ended_one_is_not(tmp_path: Path) -> None:
    async def story(nursery: trio.Nursery) -> None:
        grant = ScriptedGrant()
        with _kept(nursery, tmp_path, grant) as tokens:
            first = await tokens.valid()
        await trio.sleep(60)
        with _kept(nursery, tmp_path, grant) as tokens:
            assert (await tokens.valid()).text == first.text
            assert len(grant.asked) == 1
        await trio.sleep(2 * LIFE)
        with _kept(nursery, tmp_path, grant) as tokens:
            assert (await tokens.valid()).text != first.text

    told(story)


def test_the_old_token_is_kept_until_the_new_one_is_known_to_be_good(tmp_path: Path) -> None:
    async def story(nursery: trio.Nursery) -> None:
        grant = ScriptedGrant(unaccepted={"tok-2", "tok-3"})
        with _kept(nursery, tmp_path, grant) as tokens:
            first = await tokens.valid()
            await trio.sleep(0.7 * LIFE)
            assert len(grant.times("renew")) >= 2
            await trio.sleep(600)
            assert tokens.current is not None and tokens.current.text == "tok-4"
            assert grant.times("obtain") == [0.0]
            grant.script = [Granted("tok-of-yesterday", wall() - timedelta(hours=1), 7, "Active", None)]
            last, tried = tokens.current, len(grant.asked)
            while len(grant.asked) == tried:
                await trio.sleep(1)
            await trio.sleep(10)
            assert not grant.script
            assert tokens.current == last != first, "what has ended takes nobody's place"
        with _kept(nursery, tmp_path, grant) as tokens:
            assert (await tokens.valid()).text == last.text, "nor in the ledger"

    told(story)


def test_no_text_of_a_token_is_in_its_repr(tmp_path: Path) -> None:
    async def story(nursery: trio.Nursery) -> None:
        with _kept(nursery, tmp_path, ScriptedGrant()) as tokens:
            token = await tokens.valid()
            assert token.text not in repr(token) + repr(tokens)

    told(story)


def _of(user: int, text: str = "tok-of-joe") -> Granted:
    return Granted(text, wall() + timedelta(seconds=LIFE), user, "Active", None)


def test_another_users_token_is_not_taken_by_a_dial_nor_asked_for_twice(tmp_path: Path) -> None:
    async def story(nursery: trio.Nursery) -> None:
        grant = ScriptedGrant()
        with _kept(nursery, tmp_path, grant) as tokens:
            await tokens.valid()
        await trio.sleep(2 * LIFE)
        grant.script, grant.credential = [_of(8)], "joe's"
        with _kept(nursery, tmp_path, grant) as tokens:
            with pytest.raises(WrongUser) as wrong:
                await tokens.valid()
            assert wrong.value.final
            assert tokens.store.user("apex") == 7 and tokens.current is None
        with _kept(nursery, tmp_path, grant) as tokens:
            with pytest.raises(NoToken) as refused:
                await tokens.valid()
            assert refused.value.final and len(grant.asked) == 2
            grant.credential = "jane's"
            assert (await tokens.valid()).user_id == 7

    told(story)


@pytest.mark.parametrize("way", ["renewal", "assay", "adopted"])
def test_another_users_token_is_not_taken_in_place_of_ours(tmp_path: Path, way: str) -> None:
    async def story(nursery: trio.Nursery) -> None:
        grant = ScriptedGrant()
        with _kept(nursery, tmp_path, grant) as tokens:
            ours = await tokens.valid()
            grant.script = [_of(8)]
            if way == "renewal":
                await trio.sleep(0.9 * LIFE)
                assert len(grant.asked) == 2 and tokens.renewal.at is None
            elif way == "assay":
                with pytest.raises(WrongUser):
                    await tokens.standing(401)
            else:
                with pytest.raises(WrongUser):
                    await tokens.adopt(_of(8))
            assert tokens.current == ours and tokens.purse.user_id == 7
            kept = tokens.store.token("apex")
            assert kept is not None and (kept[0], kept[2]) == (ours.text, 7)

    told(story)


def test_a_credential_whose_token_was_not_taken_is_not_the_sessions(tmp_path: Path) -> None:
    """Each time the operator asks with another user's, it is refused, and our own session is not renewed for it."""

    async def story(nursery: trio.Nursery) -> None:
        grant = ScriptedGrant()

        async def fits(granted: Granted) -> None:
            pass  # the broker could not be asked, say: the last line of defence

        with _kept(nursery, tmp_path, grant) as tokens:
            ours = await tokens.valid()
            grant.script, grant.credential = [_of(8), _of(8)], "joe's"
            for _ in range(2):
                with pytest.raises(WrongUser):
                    await tokens.anew(fits)
            assert grant.times("renew") == [] and tokens.current == ours

    told(story)


def test_a_renewal_that_finds_the_session_gone_holds_nobody_and_is_not_repeated(tmp_path: Path) -> None:
    async def story(nursery: trio.Nursery) -> None:
        grant = ScriptedGrant()
        with _kept(nursery, tmp_path, grant) as tokens:
            await tokens.valid()
            grant.script = [Limited(408, None)] * 100
            await trio.sleep(0.7 * LIFE)
            assert tokens.current is None and tokens.store.token("apex") is None
            assert tokens.budget.held_until is None and tokens.restraint.hold is None
            await trio.sleep(LIFE)
            assert len(grant.times("renew")) == 1
            grant.script = []
            await tokens.valid()

    told(story)


def test_a_grant_without_a_token_that_can_be_used_holds_the_login_ever_longer(tmp_path: Path) -> None:
    async def story(nursery: trio.Nursery) -> None:
        useless = Unreachable("an answer without a token or without its end", 200, useless=True)
        grant = ScriptedGrant([useless] * 3, takes=0.0)
        with _kept(nursery, tmp_path, grant) as tokens:
            while tokens.current is None:
                with suppress(NoToken):
                    await tokens.valid()
                await trio.sleep(1)
            assert [later - earlier for earlier, later in pairwise(grant.times("obtain"))] == [300, 600, 1200]
            assert tokens.budget.held_until is None, "it is this login's matter"

    told(story)


@pytest.mark.parametrize(
    ("status", "cause", "times"), [(404, Cause.BROKER, 5), (503, Cause.BROKER, 20), (None, Cause.NETWORK, 20)]
)
def test_what_the_broker_says_no_to_counts_as_a_failed_request_and_trouble_of_his_does_not(
    tmp_path: Path, status: int | None, cause: Cause, times: int
) -> None:
    async def story(nursery: trio.Nursery) -> None:
        grant = ScriptedGrant([Unreachable("trouble", status)] * 20)
        causes = []
        with _kept(nursery, tmp_path, grant) as tokens:
            for _ in range(20):
                with pytest.raises(NoToken) as nothing:
                    await tokens.valid()
                causes.append(nothing.value.cause)
            assert len(grant.asked) == times
            assert causes == [cause] * times + [Cause.PENALTY] * (20 - times)

    told(story)


@pytest.mark.parametrize("status", [408, 423, 429, 503])
def test_a_token_that_has_ended_tells_of_no_eviction(tmp_path: Path, status: int) -> None:
    async def story(nursery: trio.Nursery) -> None:
        grant = ScriptedGrant(extends=TokenExpired("ended"))
        with _kept(nursery, tmp_path, grant) as tokens:
            await tokens.valid()
            grant.script = [Unreachable("no route")] * 1000
            await trio.sleep(LIFE + 1)
            assert await tokens.standing(status) is Standing.UNCLEAR
            assert grant.times("extend") == []
            assert await tokens.standing(401) is Standing.VOID

    told(story)
