"""States of a machine or a broker in which something is wrong, each looked at by doctor."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import attrs
import pytest
import trio

from daemon.doctor.report import Report
from daemon.logins.rate import Limits, Rate
from daemon.state_lock import StateLock
from tests.daemon.doctor.clinic import Clinic, text_of
from tests.scenarios.world import MemoryNetwork, now


async def examined(clinic: Clinic) -> Report:
    return await clinic.examined()


async def examined_offline(clinic: Clinic) -> Report:
    return await clinic.examined(offline=True)


@attrs.define(eq=False)
class BadNetwork(MemoryNetwork):
    """Fails in the way of a resolver or of TLS; what is asked over HTTP is answered."""

    trouble: Callable[[trio.abc.Stream], trio.abc.Stream] | None = None

    async def connect(self, url: str) -> trio.abc.Stream:
        stream = await MemoryNetwork.connect(self, url)
        return stream if self.trouble is None else self.trouble(stream)


def through(trouble: Callable[[trio.abc.Stream], trio.abc.Stream]) -> Callable[[Clinic], Awaitable[Report]]:
    async def story(clinic: Clinic) -> Report:
        clinic.network = BadNetwork(clinic.server, clinic.network.nursery, trouble=trouble)
        return await clinic.examined()

    return story


def nameless(stream: trio.abc.Stream) -> trio.abc.Stream:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def in_the_clear(stream: trio.abc.Stream) -> trio.abc.Stream:
    """TLS to somebody who speaks HTTP alone, as a proxy does."""
    return trio.SSLStream(stream, ssl.create_default_context(), server_hostname="broker.invalid")


def distrusted(stream: trio.abc.Stream) -> trio.abc.Stream:
    refused = ssl.SSLCertVerificationError(1, "certificate verify failed")
    refused.verify_message = "certificate has expired"
    raise trio.BrokenResourceError from refused


async def refusing(clinic: Clinic) -> Report:
    clinic.network.refusing = True
    return await clinic.examined()


async def late_clock(clinic: Clinic) -> Report:
    clinic.ahead = timedelta(seconds=-90)
    return await clinic.examined()


async def another_device(clinic: Clinic) -> Report:
    ledger = clinic.ledger()
    ledger.keep_device("apex", "device-one")
    ledger.close()
    return await clinic.examined(offline=True)


async def unapproved(clinic: Clinic) -> Report:
    clinic.change(devices=("approved",))
    await clinic.traded()
    return await clinic.examined()


async def renamed(clinic: Clinic) -> Report:
    await clinic.traded()
    clinic.write(text_of(f1='"F2"'))
    return await clinic.examined()


async def locked(clinic: Clinic) -> Report:
    clinic.broker.lock("F1", "LiquidationOnly")
    return await clinic.examined()


async def locked_for_good(clinic: Clinic) -> Report:
    clinic.broker.lock("F1", "TradingLocked")
    return await clinic.examined()


async def closed(clinic: Clinic) -> Report:
    clinic.broker.entities.update("account", clinic.broker.account_ids["F1"], active=False)
    return await clinic.examined()


async def pushed_out(clinic: Clinic) -> Report:
    await clinic.examined()
    clinic.server.evict("apex")
    return await clinic.examined()


async def spent(clinic: Clinic) -> Report:
    """A daemon has used up the login's hour, and has stopped since."""
    ledger = clinic.ledger()
    Rate("apex", Limits(300, 5000), ledger, now, lambda: 1, lambda: False).spend(5000)
    ledger.close()
    return await clinic.examined(offline=True)


async def captcha(clinic: Clinic) -> Report:
    clinic.server.penalise(captcha=True)
    return await clinic.examined()


async def captcha_of_before(clinic: Clinic) -> Report:
    await captcha(clinic)
    asked = clinic.server.calls["auth/accesstokenrequest"]
    report = await clinic.examined()
    assert clinic.server.calls["auth/accesstokenrequest"] == asked, "the hold lasts an hour, also for doctor"
    return report


async def voided(clinic: Clinic) -> Report:
    await clinic.examined()
    clinic.server.revoke_tokens("apex")
    return await clinic.examined()


async def state_is_a_file(clinic: Clinic) -> Report:
    clinic.state.write_text("not a directory")
    return await clinic.examined()


async def socket_is_a_file(clinic: Clinic) -> Report:
    (clinic.directory / "run").mkdir()
    (clinic.directory / "run" / "s").write_text("not a socket")
    return await clinic.examined(offline=True)


async def password_for_everybody(clinic: Clinic) -> Report:
    file = clinic.directory / "password"
    file.write_text("canary-password-in-a-file")
    file.chmod(0o644)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("COPIERD_APEX_PASSWORD")
        clinic.write(text_of(login=f'cid = 8123\npassword_file = "{file}"'))
        return await clinic.examined(offline=True)


async def no_secret_of_the_key(clinic: Clinic) -> Report:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("COPIERD_APEX_SEC")
        return await clinic.examined(offline=True)


async def authorization_ended(clinic: Clinic) -> Report:
    ledger, before = clinic.ledger(), now() - timedelta(hours=1)
    ledger.keep_token("apex", "canary-access", before, 1, "canary-refresh", before)
    ledger.close()
    return await clinic.examined(offline=True)


async def socket_too_long(clinic: Clinic) -> Report:
    """No configuration may name such a path; the directory that it is made in by default is the session's."""
    clinic.write(f'[daemon]\nstate_directory = "{clinic.state}"\n' + text_of())
    with pytest.MonkeyPatch.context() as environ:
        environ.delenv("RUNTIME_DIRECTORY", raising=False)
        environ.setenv("XDG_RUNTIME_DIR", f"/run/{'s' * 120}")
        return await clinic.examined(offline=True)


async def nowhere_to_be_made(clinic: Clinic) -> Report:
    (clinic.directory / "file").write_text("")
    daemon = f'[daemon]\nstate_directory = "{clinic.directory / "file" / "state"}"\n'
    clinic.write(daemon + text_of())
    return await clinic.examined(offline=True)


async def ledger_cannot_be_read(clinic: Clinic) -> Report:
    """A daemon runs, of a version that keeps its ledger otherwise."""
    clinic.state.mkdir()
    with StateLock.taken(clinic.state):
        (clinic.state / "ledger.sqlite").touch()
        return await clinic.examined(offline=True)


async def old_table(clinic: Clinic) -> Report:
    clinic.ahead = datetime(2040, 1, 1, tzinfo=now().tzinfo) - now()
    return await clinic.examined(offline=True)


async def shared_account(clinic: Clinic) -> Report:
    """Another program, or the same one on another machine, has sent an order to our follower."""
    broker = clinic.broker
    marks = attrs.evolve(broker.marks(broker.account_ids["F1"], "other-1"), automated=True)
    broker.desk.place(attrs.evolve(broker.ticket("F1", "Buy", "ESZ6", 1), marks=marks))
    return await clinic.examined()
