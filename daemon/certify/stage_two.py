"""Stage 2 of Tradovate's conformance program: WebSocket management.

Rule 1: no order is sent. Events are those that happen, or that the simulator is asked for.
Rule 2: the burst of reads stays far below what the broker lets a login ask.
"""

from __future__ import annotations

import trio

from daemon.certify.criteria import Criterion, Failed, NotTested, Passed, Verdict, largest_gap, within
from daemon.certify.line import SYNC_LIMIT, Line
from daemon.certify.trial import UNPROVOKED, Trial
from daemon.logins.session import OPEN_LIMIT
from daemon.tradovate.messages import penalty
from daemon.tradovate.socket import CLOSE_LIMIT, SocketLost

BEAT_LIMIT = 3000.0  # ms: 2.5 s is owed, and a busy machine may be late by a little
SILENCE_LIMIT = 10_000.0  # ms; the broker's own sample gives a silent connection up then
TIMEOUT_LIMIT = 75.0  # seconds; 15 s of silence have been measured, 30 to 60 s reported earlier
BATCHES, BATCH, PAUSE = 8, 5, 0.75  # 40 reads in 6 s: longer than two heartbeats, and no burden
UPDATE_LIMIT = 5.0  # seconds for an event that the simulator was asked for
PENALTY = 1  # second that the simulator is asked to make us wait
READ = "account/list"


async def authorized(trial: Trial) -> Verdict:
    token = await trial.keeper.valid()
    line = await trial.open()
    began = trio.current_time()
    answer = await line.authorize(token.text)
    ms = (trio.current_time() - began) * 1000
    if answer.status != 200:
        await line.hang_up()
        return Failed(f"i 0, s {answer.status}", "a valid token is to be answered with s 200", ms)
    trial.line = line
    return within(ms, OPEN_LIMIT * 1000, "i 0, s 200")


async def bad_token_refused(trial: Trial) -> Verdict:
    line = await trial.open()
    try:
        answer = await line.authorize(trial.forged())
    finally:
        await line.hang_up()
    words = answer.data if isinstance(answer.data, str) else "no words"
    figure = f"i 0, s {answer.status}, {words[:60]}"
    if answer.status != 401:
        return Failed(figure, "an invalid token is to be answered with s 401")
    if "invalid access token" not in words.lower():
        return Failed(figure, 'the words are to be "Invalid access token"')
    return Passed(figure)


async def stable(trial: Trial) -> Verdict:
    line = await trial.living()
    began = trio.current_time()
    with trio.move_on_after(trial.plan.seconds):
        await line.ended.wait()
    ended = trio.current_time()
    trial.window = (began, ended)
    if line.ended.is_set():
        return Failed(f"held for {ended - began:.1f} s", line.lost.reason if line.lost else "it was hung up")
    return Passed(f"held for {ended - began:.0f} s")


async def beats_sent(trial: Trial) -> Verdict:
    return _beats(trial.main(), trial.window)


def _beats(line: Line, window: tuple[float, float]) -> Verdict:
    count = sum(window[0] < at <= window[1] for at in line.beats)
    return within(largest_gap(line.beats, *window), BEAT_LIMIT, f"{count} heartbeats, the largest gap")


async def beats_received(trial: Trial) -> Verdict:
    line = trial.main()
    count = sum(trial.window[0] < at <= trial.window[1] for at in line.heartbeats)
    silence = largest_gap(line.heard, *trial.window)
    if not count:
        return Failed("none", "the broker sent no heartbeat", silence)
    return within(silence, SILENCE_LIMIT, f"{count} heartbeats, the largest silence")


async def beats_under_load(trial: Trial) -> Verdict:
    line = await trial.living()
    began, statuses = trio.current_time(), []

    async def read() -> None:
        try:
            statuses.append((await line.ask(READ)).status)
        except (SocketLost, trio.TooSlowError):
            statuses.append(0)

    async with trio.open_nursery() as reads:
        for _ in range(BATCHES):
            for _ in range(BATCH):
                reads.start_soon(read)
            await trio.sleep(PAUSE)
    window = (began, trio.current_time())
    good, all_of_them = statuses.count(200), BATCHES * BATCH
    if good < all_of_them:
        return Failed(f"{good} of {all_of_them} reads answered", f"answers: {_counted(statuses)}")
    silence = largest_gap(line.heard, *window)
    if silence >= SILENCE_LIMIT:
        return Failed(f"{good} reads", "nothing was heard for too long", silence)
    gap = largest_gap(line.beats, *window)
    return within(gap, BEAT_LIMIT, f"{good} reads answered, the largest gap between heartbeats")


def _counted(statuses: list[int]) -> str:
    words = {status: "none" if status == 0 else str(status) for status in statuses}
    return ", ".join(f"{statuses.count(status)} x {words[status]}" for status in sorted(words))


async def silent_client_closed(trial: Trial) -> Verdict:
    if trial.stagehand is None and not trial.plan.thorough:
        return NotTested("it takes 15 s or more of silence: ask for it with --thorough")
    line = await trial.authorized()
    line.beating = False
    began = trio.current_time()
    with trio.move_on_after(TIMEOUT_LIMIT):
        await line.ended.wait()
    ms = (trio.current_time() - began) * 1000
    if line.lost is None:
        await line.hang_up()
        return Failed("still open", "the broker did not end a connection without heartbeats", ms)
    return within(ms, TIMEOUT_LIMIT * 1000, f"ended by the broker ({line.lost.reason})")


async def recovered(trial: Trial) -> Verdict:
    began = trio.current_time()
    line = await trial.authorized()
    ms = (trio.current_time() - began) * 1000
    await line.hang_up()
    return within(ms, OPEN_LIMIT * 1000, "connected and authorized again")


async def synced(trial: Trial) -> Verdict:
    line, token = await trial.living(), await trial.keeper.valid()
    user = token.user_id
    if user is None:
        return Failed("no user id", "the login did not say which user it is")
    began = trio.current_time()
    answers = await line.sync(user)
    # The quiet after the last part is ours and does not count
    trial.snapshot_ms = (line.synced_at - began) * 1000
    figure = f"{line.syncs} request, {len(answers)} answer{'s' if len(answers) > 1 else ''}"
    if any(answer.status != 200 for answer in answers):
        return Failed(f"{figure}, s {answers[0].status}", "the syncrequest was refused", trial.snapshot_ms)
    merged: dict[object, object] = {}
    for answer in answers:
        merged.update(answer.data if isinstance(answer.data, dict) else {})
    trial.snapshot = merged
    return within(trial.snapshot_ms, SYNC_LIMIT * 1000, figure)


async def snapshot_whole(trial: Trial) -> Verdict:
    line, data = trial.main(), trial.snapshot
    lists = data if isinstance(data, dict) else {}
    figure = ", ".join(f"{len(lists.get(name) or ())} {name}" for name in ("users", "accounts", "orders", "positions"))
    if not line.mirror.loaded:
        return Failed(figure, "the snapshot does not show the login's own user")
    return Passed(figure)


async def updates_follow(trial: Trial) -> Verdict:
    line = trial.main()
    if trial.stagehand is None:
        if line.pushed:
            return Passed(f"{len(line.pushed)} events after the snapshot")
        return NotTested("nothing happened on this login meanwhile, and certify sends no orders")
    before, began = len(line.pushed), trio.current_time()
    if not trial.stagehand.trade():
        return NotTested("this login has no account in the configuration")
    if not await line.more_pushed(before, UPDATE_LIMIT):
        return Failed("no event", f"an order was filled, and nothing was pushed within {UPDATE_LIMIT:g} s")
    ms = (trio.current_time() - began) * 1000
    await trio.sleep(0.5)
    return within(ms, UPDATE_LIMIT * 1000, f"{len(line.pushed) - before} events after the snapshot, the first")


async def events_idempotent(trial: Trial) -> Verdict:
    line = trial.main()
    await line.repeat()
    rows, pushed, news = line.repeated, len(line.pushed), len(line.news)
    if not pushed and not rows:
        return NotTested("there was no event, order or position that could have been taken twice")
    again = 0
    if trial.stagehand is not None:
        trial.stagehand.replay()
        await line.more_pushed(pushed, UPDATE_LIMIT)
        await trio.sleep(0.5)
        again = len(line.pushed) - pushed
    second = [*line.second_facts, *(line.news[news:] if again else ())]
    figure = f"{pushed + rows} taken twice, {again} pushed again by the broker; {news} facts"
    if second:
        return Failed(figure, f"{len(second)} taken for news: {', '.join(sorted(set(second)))}")
    return Passed(f"{figure}, no second one")


async def penalty_waited_for(trial: Trial) -> Verdict:
    if trial.stagehand is None:
        return NotTested(UNPROVOKED)
    line = await trial.living()
    trial.stagehand.penalise(READ, PENALTY)
    first = await line.ask(READ)
    asked = penalty(first.data)
    if asked is None:
        return Failed(f"s {first.status}", "the answer was to be a penalty ticket")
    if asked.captcha:
        return Failed("p-captcha", "a penalty with a captcha cannot be waited for by a program")
    trial.masks.add(asked.ticket)
    await trio.sleep(asked.seconds)
    repeated = await line.ask(READ, {"p-ticket": asked.ticket})
    figure = f"ticket, {asked.seconds} s, repeated with the ticket: s {repeated.status}"
    if repeated.status != 200 or penalty(repeated.data) is not None:
        return Failed(figure, "the repeated request was not handled")
    return Passed(figure)


async def logged_off(trial: Trial) -> Verdict:
    line = await trial.living()
    if trial.snapshot is not None and line.mirror.loaded:
        trial.before = await trial.state(line)
    await line.hang_up()
    if line.farewell is None:
        return Failed("lost", line.lost.reason if line.lost else "the connection was over already")
    return within(line.farewell * 1000, CLOSE_LIMIT * 1000, "close answered")


async def reauthorized(trial: Trial) -> Verdict:
    return await authorized(trial)


async def state_recovered(trial: Trial) -> Verdict:
    line, token = trial.main(), await trial.keeper.valid()
    if trial.before is None or token.user_id is None:
        return NotTested("there is no state from before the close to compare with")
    began = trio.current_time()
    await line.sync(token.user_id)
    ms = (line.synced_at - began) * 1000
    if not line.mirror.loaded:
        return Failed("no snapshot", "the snapshot after the reconnect does not show the login's own user", ms)
    after = await trial.state(line)
    figure = f"{len(after)} accounts, {sum(len(positions) for positions in after.values())} positions"
    differing = sorted(name for name in {*after, *trial.before} if after.get(name) != trial.before.get(name))
    if differing:
        return Failed(figure, f"not as before the close: {', '.join(differing)}", ms)
    return Passed(f"{figure}, as before", ms)


# The snapshot comes early, so that whatever happens during the long waits counts as an update
CONNECTION = (
    Criterion("2.1.a", "authorize with a valid token: s 200", authorized, ("1.1.b",), OPEN_LIMIT * 1000),
    Criterion("2.1.b", 'authorize with an invalid token: s 401, "Invalid access token"', bad_token_refused, ("2.1.a",)),
    Criterion("2.3.b", "One user/syncrequest on a socket, and it is answered", synced, ("2.1.a",), SYNC_LIMIT * 1000),
    Criterion("2.5.a", "The snapshot shows the user", snapshot_whole, ("2.3.b",)),
    Criterion("2.1.c", "The connection stays stable", stable, ("2.1.a",)),
    Criterion("2.2.a", "A heartbeat is sent every 2.5 s", beats_sent, ("2.1.c",), BEAT_LIMIT),
    Criterion("2.2.b", "Heartbeats are received", beats_received, ("2.1.c",), SILENCE_LIMIT),
    Criterion("2.2.c", "Heartbeats go on under load", beats_under_load, ("2.1.a",), BEAT_LIMIT),
    Criterion(
        "2.2.d", "Without heartbeats the connection ends", silent_client_closed, ("2.1.a",), TIMEOUT_LIMIT * 1000
    ),
    Criterion("2.2.e", "It recovers from that", recovered, ("2.2.d",), OPEN_LIMIT * 1000),
    Criterion("2.5.b", "Updates follow the snapshot", updates_follow, ("2.5.a", "2.1.c"), UPDATE_LIMIT * 1000),
    Criterion("2.3.a", "The same event twice is one fact", events_idempotent, ("2.5.a", "2.1.c")),
    Criterion("2.4.a", "A penalty ticket is waited for, and the request repeated", penalty_waited_for, ("2.1.a",)),
    Criterion("2.6.a", "Log-off: the close is answered", logged_off, ("2.1.a",), CLOSE_LIMIT * 1000),
    Criterion("2.6.b", "A new connection is authorized again", reauthorized, ("2.1.a",), OPEN_LIMIT * 1000),
    Criterion(
        "2.6.c",
        "The state is recovered: same accounts, same positions",
        state_recovered,
        ("2.5.a", "2.1.c", "2.6.b"),
    ),
)
