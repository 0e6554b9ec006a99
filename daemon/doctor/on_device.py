"""The checks of a login's device: the broker knows each by its id, and on live lets none trade that is not approved."""

from __future__ import annotations

from typing import Final

from daemon.config.demands import LONGEST_DEVICE_ID
from daemon.doctor.facts import Person
from daemon.doctor.offline import settled
from daemon.doctor.verdicts import UNREADABLE, Check, Unknown, Verdict, Well, Wrong


def _device_there(person: Person) -> Verdict:
    written = person.file.table("logins", person.name).get("device_id")
    if person.errors("device_id") and not (isinstance(written, str) and len(written) > LONGEST_DEVICE_ID):
        return Wrong(f"device_id is {written!r}, which is none", person.where)
    if person.errors("device_id"):
        return Unknown("the configured one cannot be used")
    if person.settings is None:
        return UNREADABLE
    if not person.by_password:
        return Well("not needed")
    if person.device is not None:
        return Well(person.device)
    if person.live:
        return Wrong("none is configured and none has been made; the first start makes one, unapproved", person.where)
    return Well("one is made at the first start; only live asks for an approved one")


def _device_length(person: Person) -> Verdict:
    written = person.file.table("logins", person.name).get("device_id")
    if isinstance(written, str) and len(written) > LONGEST_DEVICE_ID:
        what = f"device_id has {len(written)} characters, and the broker takes {LONGEST_DEVICE_ID}"
        return Wrong(what, person.where)
    return Well()


def _device_same(person: Person) -> Verdict:
    if person.settings is None:
        return UNREADABLE
    if not person.by_password or person.kept.before is None:
        return Well()
    if not person.live:
        return Well(f"it was {person.kept.before}, which only live would mind")
    if settled(person):
        return Well("it has changed, and an order has been accepted since")
    remedy = f'put the old one back: device_id = "{person.kept.before}". If the change is meant, approve the new one'
    remedy += " by the link that Tradovate e-mails, then send one order"
    return Wrong(f"it is {person.device} and was {person.kept.before}", person.where, remedy)


def _device_approved(person: Person) -> Verdict:
    if not person.live or not person.by_password:
        return Well("not asked for here: only live, and only with a password")
    if person.denied:
        what = f"the last order of {', '.join(person.denied)} was refused with Access is denied"
        return Wrong(f"{what}, though reads work; device {person.device}", person.where)
    if person.proven is not None:
        return Well(f"an order was accepted ({person.proven.at})")
    why = f"this shows only in a real order, and none has been sent. Device {person.device or '(none yet)'} must be "
    return Unknown(f"{why}approved by the link that Tradovate e-mails at its first login")


DEVICE: Final = (
    Check(
        "device-missing",
        "no deviceId",
        'write one that stays, such as device_id = "' + "00000000-0000-4000-8000-000000000000" + '" (from uuidgen), '
        "or let copierd make it; then approve it by the link that Tradovate e-mails",
        _device_there,
    ),
    Check(
        "device-length",
        f"a deviceId longer than {LONGEST_DEVICE_ID} characters",
        f"write one of at most {LONGEST_DEVICE_ID} characters, such as a UUID; it needs a new approval on live",
        _device_length,
    ),
    Check("device-changed", "a deviceId that is not the one of before", "put the old one back", _device_same),
    Check(
        "device-approval",
        "a deviceId that has not been approved by the e-mailed link",
        "open Tradovate's e-mail about a new device and its link, also in the folder for spam; then send one order "
        "and look again. If the device is approved, see order-permission and market-data",
        _device_approved,
    ),
)
