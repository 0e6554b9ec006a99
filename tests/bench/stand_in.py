"""The broker's stand-in, a process of its own: it lets the leader trade, and stamps what the followers' copier sends.

It speaks as much of Tradovate's protocol as the daemon needs to log in, to be in step and to copy, over sockets that
`wire.py` handles by hand. Commands come as lines of JSON on standard input, each answered by one on standard output.

Rule 1: while orders come in, nothing else is done: they are answered `ANSWER_AFTER` later, as by a broker that is near.
Rule 2: a token is `tok-` and the name of its login: who it belongs to can be read in it, so nothing needs to be kept.
"""

from __future__ import annotations

import collections
import gc
import json
import os
import selectors
import socket
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import attrs

from tests.bench.books import Books, Login, compact, props, stamp
from tests.bench.wire import Gone, Peer, Request

ANSWER_AFTER = 25_000_000  # nanoseconds
HEARTBEAT_EVERY = 2_500_000_000
ROUND_LIMIT = 5_000_000_000  # for the orders of one round
PATIENCE = 0.05  # seconds that nothing happens, at most, before what is due is looked at
ORDER = b"order/placeorder\n"


@attrs.define(eq=False)
class Round:
    """One order of the leader's, and when the orders that follow from it came, in nanoseconds since it was written."""

    wanted: int
    began: int
    came: list[int] = attrs.field(factory=list)


@attrs.define(eq=False)
class Flood:
    """Events that concern nobody, `each` of them in one tick, so that `rate` go out a second."""

    peers: list[Peer]
    frame: str
    every: int
    next: int
    left: int


@attrs.define(eq=False)
class Broker:
    books: Books = attrs.field(factory=Books)
    peers: dict[int, Peer] = attrs.field(factory=dict)
    owners: dict[Peer, Login] = attrs.field(factory=dict)
    synced: dict[str, list[Peer]] = attrs.field(factory=lambda: collections.defaultdict(list))
    selector: selectors.BaseSelector = attrs.field(factory=selectors.DefaultSelector)
    unanswered: collections.deque[tuple[int, Peer, bytes]] = attrs.field(factory=collections.deque)
    round: Round | None = None
    flood: Flood | None = None
    written: int = 0  # events of the flood
    orders: int = 0
    _beat: int = 0
    _commands: bytearray = attrs.field(factory=bytearray)

    def serve(self) -> None:
        """Until standard input is closed."""
        listener = socket.create_server(("127.0.0.1", 0), backlog=1000)
        listener.setblocking(False)
        self.selector.register(listener, selectors.EVENT_READ, self._accept)
        os.set_blocking(0, False)
        self.selector.register(0, selectors.EVENT_READ, self._hear)
        _say({"port": listener.getsockname()[1]})
        # A collection in the middle of a round would be measured; what is kept here is kept for good.
        gc.disable()
        while True:
            self.turn()

    def turn(self) -> None:
        """Looks once at all sockets, then does one thing that is due: orders that come in go first."""
        now = time.monotonic_ns()
        due = bool(self.unanswered) and now >= self.unanswered[0][0] + ANSWER_AFTER
        timeout = 0.0 if due else self._until_due(now)
        for key, events in self.selector.select(timeout):
            if isinstance(key.data, Peer):
                self._serve(key.data, events)
            else:
                key.data(key.fileobj)
        if due:
            _, peer, frame = self.unanswered.popleft()
            self._place(peer, frame)
        self._flood()
        if now >= self._beat:
            self._beat = now + HEARTBEAT_EVERY
            for peer in self.owners:
                peer.send("h")

    def _until_due(self, now: int) -> float:
        dues = [PATIENCE]
        if self.unanswered:
            dues.append((self.unanswered[0][0] + ANSWER_AFTER - now) / 1e9)
        if self.flood is not None:
            dues.append((self.flood.next - now) / 1e9)
        return max(0.0, min(dues))

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except BlockingIOError:
                return
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer = Peer(connection)
            self.peers[connection.fileno()] = peer
            self.selector.register(connection, selectors.EVENT_READ, peer)

    def _serve(self, peer: Peer, events: int) -> None:
        try:
            if events & selectors.EVENT_WRITE:
                peer.flush()
            if events & selectors.EVENT_READ:
                peer.receive()
                for request in peer.requests():
                    self._ask(peer, request)
                for text in peer.texts() if peer.upgraded else ():
                    self._listen(peer, text)
        except Gone:
            self._drop(peer)
            return
        self._watch(peer)

    def _watch(self, peer: Peer) -> None:
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if peer.unsent else 0)
        if self.selector.get_key(peer.socket).events != wanted:
            self.selector.modify(peer.socket, wanted, peer)

    def _drop(self, peer: Peer) -> None:
        self.selector.unregister(peer.socket)
        self.peers.pop(peer.socket.fileno(), None)
        peer.socket.close()
        login = self.owners.pop(peer, None)
        if login is not None and peer in self.synced[login.name]:
            self.synced[login.name].remove(peer)

    # HTTP

    def _ask(self, peer: Peer, request: Request) -> None:
        endpoint = request.target.partition("?")[0].removeprefix("/v1/")
        if endpoint == "websocket":
            peer.upgrade(request)
            peer.send("o")
        elif endpoint == "auth/accesstokenrequest":
            login = self.books.logins[json.loads(request.body)["name"]]
            peer.answer("200 OK", compact(_granted(login)))
        else:
            token = request.headers.get("authorization", "").removeprefix("Bearer ")
            owner = self.books.logins.get(token.removeprefix("tok-"))
            if owner is None:  # the daemon asks the time of whoever answers
                peer.answer("401 Unauthorized", compact("Access is denied"))
                return
            renewed = endpoint == "auth/renewaccesstoken"
            peer.answer("200 OK", compact(_granted(owner) if renewed else self.books.read(owner, endpoint, {})))

    # WebSocket

    def _listen(self, peer: Peer, text: bytes) -> None:
        if text.startswith(ORDER):
            self.orders += 1
            if self.round is not None:
                self.round.came.append(peer.stamp - self.round.began)
            self.unanswered.append((peer.stamp, peer, text))
            return
        if text == b"[]":
            return
        endpoint, number, query, body = (part.decode() for part in text.split(b"\n", 3))
        if endpoint == "authorize":
            self.owners[peer] = self.books.logins[body.removeprefix("tok-")]
            peer.send(f'a[{{"s":200,"i":{number}}}]')
            return
        login = self.owners[peer]
        answer: object
        if endpoint == "user/syncrequest":
            self.synced[login.name].append(peer)
            answer = self.books.snapshot(login)
        else:
            answer = self.books.read(login, endpoint, dict(parse_qsl(query)))
        status = 404 if answer is None else 200
        peer.send(f'a[{{"s":{status},"i":{number},"d":{compact("Not found" if answer is None else answer)}}}]')

    def _place(self, peer: Peer, frame: bytes) -> None:
        login = self.owners.get(peer)
        if login is None:
            return
        _, number, _, body = frame.split(b"\n", 3)
        asked = json.loads(body)
        order_id, told = self.books.traded(
            login, asked["accountId"], asked["action"], asked["orderQty"], asked.get("clOrdId")
        )
        answer = f'{{"s":200,"i":{number.decode()},"d":{{"orderId":{order_id}}}}}'
        for one in self.synced[login.name]:
            one.send(f"a[{answer},{told}]" if one is peer else f"a[{told}]")
            self._watch(one)

    # What the bench wants

    def _hear(self, _: object) -> None:
        data = os.read(0, 65536)
        if not data:
            raise SystemExit
        self._commands += data
        while (end := self._commands.find(b"\n")) >= 0:
            line = bytes(self._commands[:end])
            del self._commands[: end + 1]
            asked = json.loads(line)
            _say(getattr(self, f"do_{asked.pop('do')}")(**asked))

    def do_open(self, logins: dict[str, list[str]]) -> dict[str, Any]:
        """Makes logins with their accounts; answers the ids of these."""
        return {name: self.books.open(name, accounts).accounts for name, accounts in logins.items()}

    def do_trade(self, login: str, account: str, followers: int, rounds: int, pause: float) -> dict[str, Any]:
        """The leader buys and sells in turn; answers when the orders of each round came, in nanoseconds."""
        found = []
        owner = self.books.logins[login]
        for place in range(rounds):
            side = "Sell" if place % 2 else "Buy"
            _, told = self.books.traded(owner, owner.accounts[account], side, 1, None)
            self.round = Round(followers, time.monotonic_ns())
            for peer in self.synced[login]:
                peer.send(f"a[{told}]")
            end = self.round.began + ROUND_LIMIT
            while len(self.round.came) < followers and time.monotonic_ns() < end:
                self.turn()
            found.append(self.round.came)
            self.round = None
            end = time.monotonic_ns() + int(pause * 1e9)
            while self.unanswered or time.monotonic_ns() < end:
                self.turn()
            gc.collect(0)
        return {"rounds": found}

    def do_flood(self, logins: list[str], rate: int, seconds: float, each: int) -> dict[str, Any]:
        """Begins to send events that concern nobody: `rate` a second, `each` to a frame; ends by itself."""
        entity = {"id": 5, "contractId": 11, "timestamp": stamp(), "bid": 5000.25, "offer": 5000.5, "size": 12}
        message = props("marketdata", "Updated", entity)
        peers = [peer for login in logins for peer in self.synced[login]]
        frame = "a[" + ",".join([message] * each) + "]"
        now = time.monotonic_ns()
        self.flood = Flood(peers, frame, int(1e9 * each / rate), now, int(rate * seconds / each))
        self.written = 0
        return {}

    def _flood(self) -> None:
        flood = self.flood
        if flood is None:
            return
        now = time.monotonic_ns()
        while flood.left and now >= flood.next:
            peer = flood.peers[flood.left % len(flood.peers)]
            peer.send(flood.frame)
            self._watch(peer)
            flood.next += flood.every
            flood.left -= 1
            self.written += 1
        if not flood.left:
            self.flood = None

    def do_calm(self) -> dict[str, Any]:
        """Ends the flood."""
        self.flood = None
        return {}

    def do_unsent(self) -> dict[str, Any]:
        """Bytes that the other side has not taken: its queue and the kernel's are full."""
        return {"bytes": sum(len(peer.unsent) for peer in self.owners), "frames": self.written, "on": bool(self.flood)}

    def do_wait_synced(self, logins: list[str], seconds: float) -> dict[str, Any]:
        """Until each of these has a session that is in step; answers when, in seconds since it was asked."""
        began = time.monotonic()
        while not all(self.synced[login] for login in logins) and time.monotonic() < began + seconds:
            self.turn()
        return {"seconds": time.monotonic() - began, "missing": sum(not self.synced[login] for login in logins)}

    def do_cut(self, logins: list[str]) -> dict[str, Any]:
        """Cuts the sessions of these logins."""
        for login in logins:
            for peer in tuple(self.synced[login]):
                self._drop(peer)
        return {}


def _granted(login: Login) -> dict[str, Any]:
    end = datetime.now(UTC) + timedelta(hours=8)
    return {
        "accessToken": f"tok-{login.name}",
        "expirationTime": end.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "userStatus": "Active",
        "userId": login.user_id,
        "name": login.name,
    }


def _say(answer: dict[str, Any]) -> None:
    os.write(1, (compact(answer) + "\n").encode())


if __name__ == "__main__":
    try:
        Broker().serve()
    except (KeyboardInterrupt, SystemExit):
        sys.exit(0)
