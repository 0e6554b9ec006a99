"""A disk that is really full: a small filesystem in memory, filled to the last byte."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from daemon.ledger import Ballast, DiskFull, Ledger
from tests.scenarios.filler import fill
from tests.scenarios.world import SYMBOL, World, config_of, run

ROOM = 8 * 1024 * 1024
BALLAST = 1024 * 1024


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "none", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no small filesystem can be mounted here: that takes a privilege")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def ballast(disk: Path) -> Ballast:
    return Ballast(disk / "ballast", BALLAST)


@pytest.mark.rule("outcomes.disk-full")
def test_on_a_full_disk_exits_go_and_nothing_opens_until_there_is_room(small_disk: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon(ballast=ballast(small_disk)):
            await world.copying()
            world.lead("Buy", 2)
            await trio.sleep(5)
            assert world.positions("f1") == {SYMBOL: 2} and (small_disk / "ballast").exists()
            filler = fill(small_disk)
            for _ in range(100):  # what SQLite has in hand is used up first
                world.move("5201")
                other = world.lead("Buy", 1, "Limit", price="5100")
                world.broker.cancel(other)
                await trio.sleep(0.2)
                if world.said("disk.full"):
                    break
            (page,) = [entry for entry in world.journal if entry.kind == "disk.full"]
            assert "until 2 MB are free; copierd looks every 30 s" in page.message
            assert page.severity == "page" and not (small_disk / "ballast").exists()
            await trio.sleep(1)
            entry = world.lead("Buy", 1)
            await trio.sleep(2)
            assert world.row(entry)["outcome"] == "skipped" and "disk is full" in str(world.row(entry)["reason"])
            world.lead("Sell", 3)
            await trio.sleep(5)
            assert world.positions("f1") == {}, "its exits go"
            await trio.sleep(120)
            assert world.said("disk.writable") == [] and len(world.said("disk.full")) == 1
            filler.unlink()
            await world.until(lambda: bool(world.said("disk.writable")), within=90)
            await trio.sleep(5)
            await world.copying(within=10)
            assert (small_disk / "ballast").exists()
            again = world.lead("Buy", 1)
            await trio.sleep(5)
            assert world.row(again)["outcome"] == "filled"
            world.lead("Sell", 1)
            await trio.sleep(5)

    run(story, small_disk, config_of())


def test_a_start_without_room_for_the_ballast_opens_nothing(small_disk: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon(ballast=ballast(small_disk)):
            await world.copying()
        (small_disk / "ballast").unlink()
        filler = fill(small_disk)
        with filler.open("r+b") as file:
            file.truncate(filler.stat().st_size - BALLAST // 2)
        async with world.daemon(ballast=ballast(small_disk)):
            await world.copying()
            await trio.sleep(2)
            assert len(world.said("disk.full")) == 1
            entry = world.lead("Buy", 1)
            await trio.sleep(2)
            assert world.row(entry)["outcome"] == "skipped"
            filler.unlink()
            await world.until(lambda: bool(world.said("disk.writable")), within=90)

    run(story, small_disk, config_of())


def test_when_the_kept_room_is_used_up_too_the_ledger_says_so_and_has_kept_what_was_written(small_disk: Path) -> None:
    ledger = Ledger.open(small_disk / "ledger.sqlite")
    ledger.ballast = ballast(small_disk)
    given_up: list[bool] = []
    ledger.on_full = lambda: given_up.append(True)
    assert ledger.ballast.put()
    fill(small_disk)
    written = 0
    with contextlib.suppress(DiskFull):
        while written < 100_000:
            ledger.keep_fact(f"key {written}", "x" * 1000)
            written += 1
    assert 20 < written < 100_000
    assert given_up == [True], "once"
    with pytest.raises(DiskFull):
        ledger.keep_fact("one more", "x" * 5000)
    assert ledger.fact(f"key {written - 1}") is not None
    ledger.close()


def test_room_that_was_just_given_up_is_not_taken_back(small_disk: Path) -> None:
    kept = ballast(small_disk)
    assert kept.put()
    filler = fill(small_disk)
    assert kept.drop()
    assert not kept.drop()
    assert not kept.put(spare=BALLAST)
    assert not kept.there()
    filler.unlink()
    assert kept.put(spare=BALLAST)
