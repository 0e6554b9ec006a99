"""The course of a run: what it will cost, then one criterion after the other, then the report."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import trio

from daemon.certify import stage_one, stage_two
from daemon.certify.criteria import Criterion, Failed, Finding, NotTested, Passed, Verdict
from daemon.certify.report import Report
from daemon.certify.stagehand import Stagehand
from daemon.certify.trial import Plan, Refused, Trial
from daemon.certify.witness import SESSION
from daemon.journal import Masks
from daemon.logins.tokens import NoToken
from daemon.ports import Ports
from daemon.tradovate.socket import SocketLost

CRITERIA = (*stage_one.TOKEN, *stage_two.CONNECTION, *stage_one.AFTERWARDS)
_SPENT = ("sessions", "failed logins", "WebSockets", "REST requests")


def announcement(plan: Plan, staged: bool) -> Iterator[str]:
    """What the run will do and what it costs, before anything is sent."""
    reads = stage_two.BATCHES * stage_two.BATCH
    silence = "; one goes without heartbeats until it is closed" if staged or plan.thorough else ""
    yield f"certify, as login {plan.login} on {plan.environment} ({plan.addresses.rest}):"
    sessions = "2 sessions, the second when the first has ended" if staged else "1 session of its own"
    yield f"  opens {sessions}; that may push out another program of this user"
    yield "  logs in 1 time with a wrong password on purpose: failed logins are counted, about 5 an hour are too many"
    yield f"  opens 4 to 6 WebSockets, at most 2 at a time, and holds one for {plan.seconds:g} s{silence}"
    yield f"  sends about {reads + 20} requests that read; it sends no order"


async def run(
    plan: Plan,
    ports: Ports,
    masks: Masks,
    stagehand: Stagehand | None,
    begin: Callable[[Criterion], None],
) -> Report:
    """Measures every criterion. `begin` is told of each that is about to be measured."""
    began = ports.wall()
    found: dict[str, Finding] = {}
    async with trio.open_nursery() as nursery:
        trial = Trial.of(plan, ports, masks, nursery, stagehand)
        for criterion in CRITERIA:
            unmet = [need for need in criterion.needs if not isinstance(found[need].verdict, Passed)]
            if unmet:
                verdict: Verdict = NotTested(f"it needs {', '.join(unmet)}")
            else:
                begin(criterion)
                verdict = await _measured(criterion, trial)
            found[criterion.id] = Finding(criterion, verdict)
        await trial.close()
        nursery.cancel_scope.cancel()
    logins = trial.witness.asked[SESSION]
    spent = (logins - trial.wrong_logins, trial.wrong_logins, len(trial.lines), sum(trial.witness.asked.values()))
    return Report(
        login=plan.login,
        environment=plan.environment,
        rest=plan.addresses.rest,
        websocket=plan.addresses.websocket,
        began=began,
        ended=ports.wall(),
        findings=[found[name].cleaned(masks.clean) for name in sorted(found)],
        cost=dict(zip(_SPENT, spent, strict=True)),
    )


async def _measured(criterion: Criterion, trial: Trial) -> Verdict:
    try:
        return await criterion.measure(trial)
    except NoToken as error:
        return Failed("no token", error.reason)
    except SocketLost as error:
        return Failed("connection lost", error.reason)
    except Refused as error:
        return Failed("not authorized", str(error))
    except trio.TooSlowError:
        return Failed("no answer", "the broker did not answer in time")
