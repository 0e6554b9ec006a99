"""How the last run ended, in one word of the contract."""

from __future__ import annotations

import attrs

from daemon import last_stop


@attrs.define
class Notes:
    kept: dict[str, str] = attrs.field(factory=dict)

    def fact(self, key: str) -> str | None:
        return self.kept.get(key)

    def keep_fact(self, key: str, value: str) -> None:
        self.kept[key] = value


def test_the_first_start_of_all_follows_a_clean_stop() -> None:
    assert last_stop.found(Notes(), "boot-1", "0.1.0") == "clean"


def test_each_end_has_its_word() -> None:
    notes = Notes()
    last_stop.running(notes, "boot-1", "0.1.0")
    assert last_stop.found(notes, "boot-1", "0.1.0") == last_stop.found(notes, "boot-1", "0.2.0") == "crash"
    assert last_stop.found(notes, "boot-2", "0.1.0") == "reboot"
    last_stop.stopped(notes)
    assert last_stop.found(notes, "boot-1", "0.1.0") == last_stop.found(notes, "boot-2", "0.1.0") == "clean"
    assert last_stop.found(notes, "boot-1", "0.2.0") == "upgrade"


def test_this_machine_has_a_boot_id_that_stays() -> None:
    assert last_stop.boot_id({}) == last_stop.boot_id({}) != ""


def test_systemd_may_say_it() -> None:
    """Its unit hides the kernel's."""
    assert last_stop.boot_id({"COPIERD_BOOT_ID": "3b0d"}) == "3b0d"
