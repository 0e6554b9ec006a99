"""What a broker says is shown at a terminal: without the secrets it was asked with, and without what one obeys."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

from daemon.config import Environment, Login
from daemon.init.draft import Draft
from daemon.init.lookup import accounts_at
from daemon.init.silence import Silence
from daemon.tradovate.answers import Credentials

CREDENTIALS = Credentials("jane", "canary-password", "copierd", "1.0", 8123, "canary-secret", "a-device")


class Echo(BaseHTTPRequestHandler):
    """Refuses whoever has a number of an API key, with all that he has said."""

    def do_POST(self) -> None:
        said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        token = {"accessToken": "canary-token", "userId": 1, "expirationTime": "2099-01-01T00:00:00Z"}
        self.answer(token if said["cid"] == 0 else {"errorText": f"no \x1b[31m{said}"})

    def do_GET(self) -> None:
        names = ("B", "A", "\x1b]0;owned\x07", "")
        self.answer([{"id": at, "name": name, "active": True} for at, name in enumerate(names)])

    def answer(self, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *words: object) -> None:  # noqa: A002 - http.server's own name
        """Not to standard error."""


@contextmanager
def echo() -> Iterator[Draft]:
    with HTTPServer(("127.0.0.1", 0), Echo) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            rest = f"http://127.0.0.1:{server.server_port}/v1"
            environment = Environment(environment="here", rest=rest, websocket="ws://127.0.0.1:9/")
            yield Draft(environment=environment, login=Login(login="jane", environment="here", username="jane"))
        finally:
            server.shutdown()
            thread.join()


def test_a_secret_that_the_broker_says_again_is_not_shown() -> None:
    with echo() as draft:
        found = accounts_at(draft, CREDENTIALS)
    assert isinstance(found, Silence) and "the broker refused the login: no ?[31m" in found.why
    assert "canary" not in found.why and found.why.count("***") == 2


def test_a_name_that_a_terminal_would_obey_is_not_offered() -> None:
    with echo() as draft:
        assert accounts_at(draft, Credentials("jane", "any", "copierd", "1.0", 0, "", "a-device")) == ("A", "B")
