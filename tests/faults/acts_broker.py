"""What the broker does: closes, falls silent, refuses, forgets who we are, takes trades back, steps in."""

from __future__ import annotations

import attrs

from statecharts import events as e
from statecharts import states as s
from tests.faults.act import Acts
from tests.scenarios.world import PASSWORD

REASONS = (
    ("InvalidPrice", "answer"),
    ("LiquidationOnly", "risk"),
    ("MaxPosLimitReached", "risk"),
    ("NotEnoughLiquidity", "exchange"),
    ("RiskCheckTimeout", "answer"),
    ("SessionClosed", "exchange"),
    ("UnknownReason", "answer"),
)


class BrokerActs(Acts):
    # ---- the server

    def _cut_server(self) -> float:
        self.storm.server.drop_sockets()
        return 0.0

    def _close_codes(self) -> float:
        self.storm.server.drop_sockets(code=self.dice.choice((1000, 1001, 1008, 1011, 1012)))
        return 0.0

    def _farewell(self) -> float:
        self.storm.server.go_away()
        return 0.0

    def _shutdown(self) -> float:
        self.storm.server.shut_down(reason_code=self.dice.choice(("Maintenance", "IPQuotaReached")))
        return 0.0

    def _flap(self) -> float:
        self._fault(accept_then_close=True)
        self.storm.server.drop_sockets()
        return self.dice.uniform(10, 120)

    def _un_flap(self) -> None:
        self._fault(accept_then_close=False)

    def _down(self) -> float:
        self.storm.server.go_down(refusing=self.dice.random() < 0.5, shutdown=self.dice.random() < 0.5)
        return self.dice.uniform(5, 90)

    def _un_down(self) -> None:
        if not self.storm.away:
            self.storm.server.come_up()

    def _mute(self) -> float:
        self._fault(mute_props=True)
        return self.dice.uniform(5, 60)

    def _un_mute(self) -> None:
        self._fault(mute_props=False)

    def _unsynced(self) -> float:
        self._fault(**{self.dice.choice(("sync_silent", "sync_empty", "sync_truncated")): True})
        self.storm.server.drop_sockets()
        return self.dice.uniform(5, 40)

    def _un_unsynced(self) -> None:
        self._fault(sync_silent=False, sync_empty=False, sync_truncated=False)

    def _huge(self) -> float:
        self.storm.server.send_huge(size=200_000)
        return 0.0

    def _replay(self) -> float:
        self.storm.server.replay()
        return 0.0

    # ---- tokens and limits

    def _expire_tokens(self) -> float:
        self.storm.server.expire_tokens(self._login())
        return 0.0

    def _revoke_tokens(self) -> float:
        self.storm.server.revoke_tokens(self._login())
        return 0.0

    def _evict(self) -> float:
        self.storm.server.evict(self._login())
        return 0.0

    def _throttle(self) -> float:
        self.storm.server.throttle(self._login(), self.dice.uniform(5, 40), self.dice.choice((423, 429)))
        return 0.0

    def _penalty(self) -> float:
        self.storm.server.penalise("order/placeorder", seconds=self.dice.randint(1, 10))
        return 0.0

    def _reject(self) -> float:
        name = self.dice.choice(self.storm.followers)
        reason, stage = self.dice.choice(REASONS)
        self.storm.server.reject_next(self.storm.config.accounts[name].name, reason, "refused on purpose", stage)
        return 0.0

    def _throttle_reads(self) -> float:
        self._fault(sync_status=429)
        self.storm.server.drop_sockets()
        return self.dice.uniform(2, 10)

    def _un_throttle_reads(self) -> None:
        self._fault(sync_status=200)

    def _captcha(self) -> float:
        self.storm.server.penalise("order/placeorder", seconds=self.dice.randint(1, 10), captcha=True)
        return 0.0

    def _renewals(self) -> float:
        self._fault(renew_status=self.dice.choice((401, 500, 503)), renew_same_token=self.dice.random() < 0.3)
        return self.dice.uniform(20, 300)

    def _un_renewals(self) -> None:
        self._fault(renew_status=200, renew_same_token=False)

    def _authorize(self) -> float:
        ill = self.dice.choice(({"authorize_silent": True}, {"authorize_delay": 20.0}, {"authorize_status": 401}))
        self._fault(**ill)
        self.storm.server.drop_sockets()
        return self.dice.uniform(2, 30)

    def _un_authorize(self) -> None:
        self._fault(authorize_silent=False, authorize_delay=0.0, authorize_status=200)
        self._mended()

    def _handshake(self) -> float:
        self._fault(**self.dice.choice(({"handshake_silent": True}, {"handshake_status": 503})))
        self.storm.server.drop_sockets()
        return self.dice.uniform(5, 60)

    def _un_handshake(self) -> None:
        self._fault(handshake_silent=False, handshake_status=0)

    def _heartless(self) -> float:
        self._fault(heartbeats=False)
        return self.dice.uniform(5, 60)

    def _un_heartless(self) -> None:
        self._fault(heartbeats=True)

    def _password(self) -> float:
        """Somebody has changed the password, and comes to say so after a while."""
        login = self._login()
        self.storm.server.change_password(login, "another-canary")
        return self.dice.uniform(10, 60)

    def _un_password(self) -> None:
        for login in sorted(self.storm.config.logins):
            if self.storm.broker.logins[login].spec.password != PASSWORD:
                self.storm.server.change_password(login, PASSWORD)
        self._mended()

    def _mended(self) -> None:
        """The operator says that the credential is right again."""
        if self.storm.supervisor is not None and self.storm.alive and self.storm.supervisor.ready.is_set():
            for name in self.storm.config.accounts:
                if self.storm.leaf(name) is s.Unauthorized:
                    self.storm.reconnect(name)

    # ---- the risk desk, the exchange, the firm

    def _deny(self) -> float:
        login = self.storm.broker.logins[self._login()]
        login.spec = attrs.evolve(login.spec, orders="read")
        return self.dice.uniform(5, 60)

    def _un_deny(self) -> None:
        for login in self.storm.broker.logins.values():
            login.spec = attrs.evolve(login.spec, orders="full")
        self._resume_all()

    def _liquidate(self) -> float:
        name = self.dice.choice(self.storm.followers)
        self.storm.meddled(name)
        action = self.dice.choice(("LiquidateImmediately", None))
        self.storm.broker.liquidate(self.storm.config.accounts[name].name, action)
        return self.dice.uniform(10, 90)

    def _un_liquidate(self) -> None:
        self._resume_all()

    def _lock(self) -> float:
        name = self.dice.choice(self.storm.followers)
        self.storm.broker.lock(
            self.storm.config.accounts[name].name, self.dice.choice(("TradingLocked", "LiquidationOnly"))
        )
        return self.dice.uniform(10, 90)

    def _un_lock(self) -> None:
        for name in self.storm.followers:
            self.storm.broker.lock(self.storm.config.accounts[name].name, None)
        self._resume_all()

    def _halt(self) -> float:
        self.storm.broker.halt("ESZ6")
        return self.dice.uniform(2, 30)

    def _un_halt(self) -> None:
        self.storm.broker.halt("ESZ6", halted=False)

    def _bust(self) -> float:
        fills = [row.entity for row in self.storm.broker.entities.rows("fill") if row.entity["active"]]
        if fills:
            fill = self.dice.choice(fills[-12:])
            self.storm.tell("bust", f"fill {fill['id']} of order {fill['orderId']}")
            self.storm.broker.bust(fill["id"])
        return 0.0

    def _resume_all(self) -> None:
        if self.storm.listens:
            for name in self.storm.followers:
                self.storm.account(name).runner.post(e.ResumeAsked(at=self.storm.wall()))
