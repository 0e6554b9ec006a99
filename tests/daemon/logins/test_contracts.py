"""How a session reads a contract: once for all of its accounts, and 404 alone says that there is none."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import trio

from daemon.logins.contracts import ABSENT_FOR, READ_LIMIT, NoSuchContract, Unanswered
from statecharts.contracts import ContractFacts
from statecharts.values import Symbol
from tests.daemon.logins.scripted import Peer, told
from tests.daemon.logins.test_session import Stage

ES = Symbol("ESZ6")
READS: Mapping[str, object] = {
    "contract/find": {"id": 11, "name": "ESZ6", "contractMaturityId": 1},
    "contractMaturity/item": {"id": 1, "productId": 3, "expirationDate": "2026-12-18T14:30Z"},
    "product/item": {"id": 3, "name": "ES", "tickSize": 0.25, "valuePerPoint": 50},
}
Found = ContractFacts | NoSuchContract | Unanswered


def _script(reads: Mapping[str, object]) -> tuple[list[str], object]:
    """A broker that answers these reads; a number is a status, None is no answer at all."""
    asked: list[str] = []

    async def script(peer: Peer) -> None:
        await peer.open()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(peer._beat)
            while True:
                request = await peer.hear()
                endpoint = request.split("\n")[0]
                if "/list" in endpoint:
                    await peer.answer(request, [])
                    continue
                asked.append(endpoint)
                answer = reads.get(endpoint, 404)
                if isinstance(answer, int):
                    await peer.answer(request, "Not found", answer)
                elif answer is not None:
                    await peer.answer(request, answer)

    return asked, script


def _read(reads: Mapping[str, object], *symbols: Symbol, then: float = 0.0) -> tuple[list[Found], list[str], list[str]]:
    """What all of these ask at the same time, and once more after `then` seconds; what was asked; and the faults."""
    found: list[Found] = []
    asked, script = _script(reads)
    faults: list[str] = []

    async def story(nursery: trio.Nursery) -> None:
        stage = Stage.of(nursery, script)  # type: ignore[arg-type]  # made here, with the type of a script
        await stage.session.whole()

        async def read(symbol: Symbol) -> None:
            found.append(await stage.session.contracts.read(symbol))

        async with trio.open_nursery() as accounts:
            for symbol in symbols:
                accounts.start_soon(read, symbol)
        if then:
            await trio.sleep(then)
            await read(symbols[0])
        faults.extend(stage.faults)

    told(story)
    return found, asked, faults


def test_twenty_accounts_that_want_the_same_contract_make_one_walk() -> None:
    found, asked, faults = _read(READS, *[ES] * 20)
    assert asked == ["contract/find", "contractMaturity/item", "product/item"]
    assert len(found) == 20 and len(set(found)) == 1
    assert isinstance(found[0], ContractFacts)
    assert (found[0].root, str(found[0].tick), str(found[0].value_per_point)) == ("ES", "0.25", "50")
    assert faults == []


def test_a_contract_that_is_not_there_is_asked_for_once_a_minute() -> None:
    found, asked, _ = _read({}, *[ES] * 20, then=ABSENT_FOR - 1)
    assert set(found) == {NoSuchContract("the broker knows no contract of this name")}
    assert asked == ["contract/find"]
    _, asked, _ = _read({}, ES, then=ABSENT_FOR)
    assert asked == ["contract/find"] * 2


def test_a_product_that_is_not_there_is_said_to_be_none() -> None:
    found, asked, _ = _read({}, Symbol("M6E"))
    assert found == [NoSuchContract("the broker knows no product of this name")]
    assert asked == ["product/find"]


@pytest.mark.parametrize("endpoint", list(READS))
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (500, "was answered with 500"),
        (429, "was answered with 429"),
        ([], "was answered with something else"),
        ({"id": 12, "name": "NQZ6"}, "was answered with something else"),
        (None, "no answer within 10 s"),
    ],
)
def test_what_is_no_answer_is_no_knowledge(endpoint: str, answer: object, words: str) -> None:
    found, _, _ = _read({**READS, endpoint: answer}, ES)
    assert isinstance(found[0], Unanswered)
    assert found[0].reason.startswith(endpoint)
    assert words in found[0].reason


@pytest.mark.parametrize("endpoint", ["contractMaturity/item", "product/item"])
def test_404_further_on_says_nothing_about_the_contract(endpoint: str) -> None:
    found, _, _ = _read({**READS, endpoint: 404}, ES)
    assert found == [Unanswered(f"{endpoint} was answered with 404")]


def test_what_cannot_be_read_is_told() -> None:
    found, _, faults = _read({**READS, "product/item": {"id": 3, "name": "ES", "tickSize": 0}}, ES)
    assert found == [Unanswered("product/item was answered with something else")]
    assert faults == ["product 3: unreadable tickSize"]


def test_a_read_is_given_up_with_its_session() -> None:
    found: list[Found] = []
    _, script = _script({**READS, "product/item": None})

    async def story(nursery: trio.Nursery) -> None:
        stage = Stage.of(nursery, script)  # type: ignore[arg-type]  # made here, with the type of a script
        await stage.session.whole()
        async with trio.open_nursery() as accounts:

            async def read() -> None:
                found.append(await stage.session.contracts.read(ES))

            accounts.start_soon(read)
            await trio.sleep(READ_LIMIT / 2)
            stage.session.abandoned.set()
        assert trio.current_time() < READ_LIMIT

    told(story)
    assert found == [Unanswered("product/item: no account needs it any more")]
