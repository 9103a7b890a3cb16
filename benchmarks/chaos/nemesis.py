"""The faults, drawn by a seed: which, when, and at whom."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import UUID

import psycopg
from redis.exceptions import RedisError

from benchmarks.chaos.load import Load
from benchmarks.chaos.stage import Member, Stage
from engine.failpoints import WATCH
from projections.view import Unreachable
from workers.broker import Bells, connect

FREEZE = "freeze a worker past its lease"
FREEZE_SECONDS = 70.0
"""Longer than a lease, which is a minute."""

REACHED_BY = {
    "before_commit": "server",
    "committed": "server",
    "before_bell": "scheduler",
    "bell_rung": "scheduler",
    "instant_claimed": "scheduler",
    "job_made": "scheduler",
    "rows_written": "projector",
    "audience_pinned": "worker",
    "between_chunks": "worker",
    "bell_fetched": "worker",
    "attempt_stored": "worker",
    "answered": "worker",
    "outcome_stored": "worker",
}
"""Which kind of process gets to each failpoint; the last one is a rebuild's, which is a command of its own."""


@dataclass(frozen=True)
class Injected:
    """One fault, at an instant of the monotonic clock."""

    at: float
    kind: str


@dataclass
class Nemesis:
    stage: Stage
    load: Load
    chance: random.Random
    injected: list[Injected] = field(default_factory=list)
    _deck: list[str] = field(default_factory=list)
    _dealt: bool = False
    _frozen: threading.Timer | None = None
    _thawing: list[threading.Timer] = field(default_factory=list)

    @property
    def counts(self) -> Counter[str]:
        return Counter(fault.kind for fault in self.injected)

    def note(self, kind: str) -> None:
        self.injected.append(Injected(time.monotonic(), kind))

    def strike(self) -> None:
        """One fault, by chance. A server that is just away makes some of them impossible, which is as well."""
        kind = self._next_kind()
        with suppress(OSError, RedisError, psycopg.Error, Unreachable):
            self.faults[kind][1]()
            self.note(kind)

    def _next_kind(self) -> str:
        """Every kind once, the longest first and the others in any order; from then on by weight."""
        if not self._deck and not self._dealt:
            others = [kind for kind in self.faults if kind != FREEZE]
            self._deck, self._dealt = [*self.chance.sample(others, len(others)), FREEZE], True
        if self._deck:
            return self._deck.pop()
        # One worker is frozen at a time, or nobody works.
        kinds = {kind: weight for kind, (weight, _) in self.faults.items() if kind != FREEZE or not self._still_frozen}
        return self.chance.choices(list(kinds), list(kinds.values()))[0]

    @property
    def _still_frozen(self) -> bool:
        return self._frozen is not None and self._frozen.is_alive()

    @property
    def faults(self) -> dict[str, tuple[int, Callable[[], None]]]:
        """Every kind with its weight."""
        return {
            "kill worker": (6, lambda: self._one("worker").send(signal.SIGKILL)),
            "kill scheduler": (3, lambda: self._one("scheduler").send(signal.SIGKILL)),
            "kill projector": (3, lambda: self._one("projector").send(signal.SIGKILL)),
            "kill server": (3, lambda: self._one("server").send(signal.SIGKILL)),
            "kill everything of ours": (1, self.kill_all),
            FREEZE: (1, self.freeze),
            "kill valkey": (2, lambda: self.stage.kill_server("valkey")),
            "valkey back empty": (2, self.stage.kill_valkey_empty),
            "flushall": (2, self.flush),
            "kill postgres": (2, lambda: self.stage.kill_server("postgres")),
            "terminate every backend": (2, self.terminate),
            "bells again, shuffled": (3, self.ring_again),
            "receiver answers 500": (2, lambda: self.receiver("500")),
            "receiver slow": (2, lambda: self.receiver("slow")),
            "receiver resets": (2, lambda: self.receiver("reset")),
            "failpoint": (6, self.arm_any),
        }

    def _one(self, role: str) -> Member:
        return self.chance.choice(self.stage.of(role))

    def kill_all(self) -> None:
        for member in self.stage.members:
            member.send(signal.SIGKILL)

    def freeze(self) -> None:
        """Stop a worker until after its lease has run out."""
        member = self._one("worker")
        member.send(signal.SIGSTOP)
        self._frozen = threading.Timer(FREEZE_SECONDS, member.send, [signal.SIGCONT])
        self._frozen.daemon = True
        self._frozen.start()

    def flush(self) -> None:
        with self.stage.valkey() as valkey:
            valkey.flushall()

    def terminate(self) -> None:
        with self.stage.connect() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )

    def ring_again(self) -> None:
        """Ten bells for each of the latest jobs, in any order."""
        jobs = [promise.job for promise in self.load.acknowledged[-20:]] * 10
        self.chance.shuffle(jobs)
        broker = connect(self.stage.services.redis_url)
        bells = Bells(broker)
        for job in jobs:
            bells.ring(UUID(job))
        broker.close()

    def receiver(self, mode: str) -> None:
        """The receiver misbehaves for a few seconds."""
        self.stage.receiver_mode(mode)
        timer = threading.Timer(self.chance.uniform(1, 5), self._receiver_well)
        timer.daemon = True
        timer.start()
        self._thawing.append(timer)

    def _receiver_well(self) -> None:
        with suppress(OSError):
            self.stage.receiver_mode("ok")

    def arm_any(self) -> None:
        """Some process dies, and its next life dies, stops or fails at a failpoint."""
        point = self.chance.choice(sorted(REACHED_BY))
        self.arm(point, self.chance.choice(["kill", "kill", "raise"]), self.chance.randint(1, 4))

    def arm(self, point: str, act: str, at: int, member: Member | None = None) -> Member:
        """A process of the right kind is killed; its next life has the failpoint armed."""
        chosen = member or self._one(REACHED_BY[point])
        chosen.rearm(f"{point}={act}@{at}")
        return chosen

    def heal(self) -> None:
        """Nothing is broken from here on: nobody frozen, nobody armed, the receiver well."""
        for timer in filter(None, [self._frozen, *self._thawing]):
            timer.cancel()
        self.stage.receiver_mode("ok")
        for member in self.stage.members:
            member.send(signal.SIGCONT)
            # Whoever is armed and has not got there yet would die after the healing.
            if {member.arming, member.next_arming} != {WATCH}:
                member.rearm(WATCH)


def expire_leases(stage: Stage, silent_seconds: float = 3.0) -> int:
    """Let the rest of a minute pass for the chunks whose sender has been silent: what the dead hold is free now."""
    with stage.connect() as connection:
        return connection.execute(
            "UPDATE chunks SET leased_until = now() - interval '1 second' WHERE state = 'sending' "
            "AND leased_until BETWEEN now() AND now() + make_interval(secs => 60 - %s)",
            (silent_seconds,),
        ).rowcount
