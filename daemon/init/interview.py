"""The questions of `copierd init`: each answered by its flag, else by the person at the terminal, else by default."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import attrs

from daemon import places
from daemon.config import Environment, Login, secrets
from daemon.config.values import BUILT_IN, SIMULATOR, Demand
from daemon.init import answers
from daemon.init.draft import Draft
from daemon.init.files import Files
from daemon.init.names import login_name
from daemon.init.silence import Silence
from daemon.init.terminal import Terminal
from daemon.init.wish import STDIN, Unusable, Wish
from daemon.tradovate.answers import Credentials

TRIES = 3  # of a credential that the broker refuses: it locks an address out after some more
REDIRECT_URI = "http://127.0.0.1:8642/callback"
SIMULATED = ("SIM1000", "SIM1001")

T = TypeVar("T")
Followers = tuple[tuple[str, Decimal], ...]


class NothingWritten(Exception):
    """It cannot go on. The text says why."""


@attrs.define
class Interview:
    """`terminal` None: nobody is there to be asked, and `wish` is whole. `earlier`: the logins before this one."""

    files: Files
    wish: Wish
    terminal: Terminal | None
    environ: Mapping[str, str]
    earlier: Draft | None = None
    _device: str = attrs.field(factory=lambda: str(uuid.uuid4()))
    _typed: dict[str, str] = attrs.field(factory=dict)  # by flag: the answer of before, when it is asked for again

    def held(self) -> tuple[Draft, dict[Path, str]]:
        """What was answered, and the secrets to be written. Raises Unusable, NothingWritten, Occupied, EOFError."""
        environment = self._environment()
        if environment.embedded:
            login = Login(login=self._name("practice"), environment=SIMULATOR)
            return self._with_accounts(Draft(environment=environment, login=login), None), {}
        grant = self._answer("grant", "Grant, password or oauth", answers.one_of("password", "oauth"), "password")
        if grant == "oauth":
            return self._by_oauth(environment)
        no, refused = Silence(""), None
        for _ in range(TRIES):
            draft, credentials, written = self._by_password(environment)
            if credentials == refused:
                break  # what was refused is not asked with again
            found = self._looked_up(draft, credentials)
            if not isinstance(found, Silence):
                return self._with_accounts(draft, found), written
            if not found.refused:
                self._say(f"The accounts could not be looked up: {found.why}. {self._without_them()}")
                return self._with_accounts(draft, None), written
            no, refused = found, credentials
            if self.terminal is None:
                break
            self._say(f"{no.why}. Once more, with all that it was asked with; Ctrl-C ends this.")
        raise NothingWritten(f"{no.why}. Correct it, or say --offline to ask the broker nothing")

    def _without_them(self) -> str:
        go_on = "The names are taken as you give them"
        if self.terminal is None:
            return f"{go_on}; copierd doctor tests what is between here and the broker."
        return f"Mend that first (Ctrl-C ends this, and nothing is written), or go on. {go_on}."

    def _environment(self) -> Environment:
        words = "Environment: demo, live, simulator (inside the daemon), or a name for another"
        there = {one.environment.environment: one.environment for one in self.earlier.all} if self.earlier else {}
        name = self._answer("environment", words, answers.environment, next(iter(there), "demo"))
        if name in there:
            return there[name]
        if name in BUILT_IN:
            for flag in ("rest", "websocket"):
                if self.wish.said(flag) is not None:
                    raise Unusable(f"--{flag} is for an environment of another name: the addresses of {name} are known")
            return BUILT_IN[name]
        rest = self._answer("rest", f"Address of {name} for REST, as https://.../v1", answers.meets(Demand.REST))
        guess = f"{rest.rstrip('/').replace('http', 'ws', 1)}/websocket"
        socket = self._answer("websocket", "Address of its WebSocket", answers.meets(Demand.SOCKET), guess)
        return Environment(environment=name, rest=rest, websocket=socket)

    def _name(self, default: str) -> str:
        taken = [one.login.login for one in self.earlier.all] if self.earlier else []
        return self._answer("login", "A name of your own for this login", answers.another_name(taken), default)

    def _by_password(self, environment: Environment) -> tuple[Draft, Credentials, dict[Path, str]]:
        username = self._answer("username", "Username at the broker", answers.line)
        name = self._name(login_name(username))
        app = self._answer("app-id", "Application that the API key was registered for", answers.line, "copierd")
        version = self._answer("app-version", "Its version", answers.line, "1.0")
        cid = self._answer("cid", "Number of the API key (cid), 0 without one", answers.number, "0") or None
        device = self._answer("device-id", "", answers.meets(Demand.DEVICE), self._device, ask=False)
        login = Login(
            login=name,
            environment=environment.environment,
            username=username,
            app_id=app,
            app_version=version,
            cid=cid,
            device_id=device,
        )
        written: dict[Path, str] = {}
        login, password = self._secret(login, "password", f"Password of {username}", written)
        sec = ""
        if cid is not None:
            login, sec = self._secret(login, "sec", "Secret of the API key (sec)", written)
        credentials = Credentials(username, password, app, version, cid or 0, sec, device)
        return Draft(environment=environment, login=login), credentials, written

    def _by_oauth(self, environment: Environment) -> tuple[Draft, dict[Path, str]]:
        if environment.authorize is None or environment.token is None:
            raise Unusable(f"--grant oauth is for demo and live here: {environment.environment} has no address for it")
        client = self._answer("client-id", "Number of the registered application (client_id)", answers.line)
        words = "Address that it was registered with, on this machine"
        login = Login(
            login=self._name("oauth"),
            environment=environment.environment,
            grant="oauth",
            client_id=client,
            redirect_uri=self._answer("redirect-uri", words, answers.meets(Demand.WEB), REDIRECT_URI),
        )
        written: dict[Path, str] = {}
        if self._has_a_secret(login):
            words = "Secret of the application; Enter where it has none"
            login, _ = self._secret(login, "client_secret", words, written)
        self._say("The accounts are known once a browser has authorized it. The names are taken as you give them.")
        return self._with_accounts(Draft(environment=environment, login=login), None), written

    def _has_a_secret(self, login: Login) -> bool:
        """Not every application has one. Where nobody can be asked, it has one when it is said where that is."""
        said = self.wish.client_secret_file or self.environ.get(secrets.variable(login.login, "client_secret"))
        return self.terminal is not None or bool(said)

    def _secret(self, login: Login, kind: secrets.Kind, words: str, written: dict[Path, str]) -> tuple[Login, str]:
        """The login that names the secret's file, and the secret, empty where there is none. It goes to `written` when
        it is not in a file yet.

        The service cannot read what its owner alone may read: there it goes to the credentials from any other file.
        """
        given = self.wish.secret_file(kind)
        path = self.files.secret(login.login, kind)
        if given not in (None, STDIN):
            source = places.expanded(given).absolute()
            named = _with_file(login, kind, source)
            try:
                found = secrets.find(named, kind, {})
            except secrets.SecretUnreadable as wrong:
                raise Unusable(f"--{kind.replace('_', '-')}-file: {wrong}") from wrong
            assert found is not None, "a file that can be read has one"
            if not self.files.of_the_system:
                return named, found.reveal()
            if source != path:
                self.files.check(path)
                written[path] = found.reveal()
            return login, found.reveal()
        self.files.check(path)
        value = self._value(login.login, kind, words, given)
        if not value:
            return login, value
        written[path] = value
        if not self.files.of_the_system:
            login = _with_file(login, kind, path)
        return login, value

    def _value(self, login: str, kind: secrets.Kind, words: str, given: str | None) -> str:
        variable = secrets.variable(login, kind)
        if given == STDIN and self.terminal is None:
            value, where = sys.stdin.readline().rstrip("\r\n"), "a line of standard input"
        elif given is None and self.environ.get(variable):
            value, where = self.environ[variable], variable
        elif self.terminal is not None:
            value, where = self.terminal.hidden(words, needed=kind != "client_secret"), "it"
            if not value:
                return value
        else:
            raise Unusable(f"--{kind.replace('_', '-')}-file is needed, or {variable} in the environment")
        try:
            return answers.secret(value)
        except ValueError as wrong:
            raise Unusable(f"the {kind} cannot be used: {where} {wrong}") from wrong

    def _looked_up(self, draft: Draft, credentials: Credentials) -> tuple[str, ...] | Silence | None:
        if self.wish.offline:
            return None
        from daemon.init.lookup import accounts_at  # it brings half of the daemon along, and most ends before it

        self._say(f"Asking {draft.environment.environment} for the accounts of {credentials.username} ...")
        return accounts_at(draft, credentials)

    def _with_accounts(self, draft: Draft, known: tuple[str, ...] | None) -> Draft:
        """`known`: the accounts that the broker has told; None where it could not be asked."""
        if known is not None and len(known) < self._least() and self.terminal is not None:
            raise NothingWritten(f"the login has {' and '.join(known) or 'no account'}, and a copy takes two accounts")
        if known and self.terminal is not None:
            self._say("\n".join(f"  {number}  {name}" for number, name in enumerate(known, 1)))
        if self.earlier is not None:
            there = {self.earlier.leader, *(name for one in self.earlier.all for name, _ in one.followers)}
            return attrs.evolve(draft, followers=self._followers("", known, None, frozenset(there)))
        leader, follower = SIMULATED if draft.environment.embedded else (None, None)
        words = "Which one leads? Its number or name" if known else "Account that leads, by the broker's name"
        leader = self._answer("leader", words, answers.account(known), leader)
        if known == (leader,) and not self.wish.followers:
            self._say("It is the login's only account: who follows is of another login, which is asked for next.")
            followers: Followers = ()
        else:
            followers = self._followers(leader, known, follower)
        mode = self._answer(
            "mode", "Copy working orders (orders) or executions (fills)", answers.one_of("orders", "fills"), "orders"
        )
        return attrs.evolve(draft, leader=leader, followers=followers, mode=mode)

    def _least(self) -> int:
        """How many accounts the login must have: who leads and who follows may be of two."""
        return 2 if self.wish.followers else 1

    def _followers(
        self, leader: str, known: tuple[str, ...] | None, default: str | None, taken: frozenset[str] = frozenset()
    ) -> Followers:
        parse = answers.followers(leader, known, taken)
        if self.wish.followers:
            try:
                return parse(" ".join(self.wish.followers))
            except ValueError as wrong:
                raise Unusable(f"--follower: {wrong}") from wrong
        assert self.terminal is not None, "the wish is whole"
        all_of_them = ", or all" if known else ""
        words = f"Which ones follow? NAME or NAME=RATIO, with a blank between them{all_of_them}"
        return self.terminal.text(words, parse, default)

    def _answer(
        self, flag: str, words: str, parse: Callable[[str], T], default: str | None = None, ask: bool = True
    ) -> T:
        given = self.wish.said(flag)
        if given is None and self.terminal is not None and ask:

            def kept(text: str) -> T:
                value = parse(text)
                self._typed[flag] = text
                return value

            return self.terminal.text(words, kept, self._typed.get(flag, default))
        text = default if given is None else given
        assert text is not None, "the wish is whole"
        try:
            return parse(text)
        except ValueError as wrong:
            raise Unusable(f"--{flag} {text}: {wrong}") from wrong

    def _say(self, words: str) -> None:
        print(words, file=sys.stderr if self.terminal is None else sys.stdout, flush=True)


def _with_file(login: Login, kind: secrets.Kind, path: Path) -> Login:
    match kind:
        case "password":
            return attrs.evolve(login, password_file=path)
        case "sec":
            return attrs.evolve(login, sec_file=path)
        case "client_secret":
            return attrs.evolve(login, client_secret_file=path)
