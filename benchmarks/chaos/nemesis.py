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
from functools import partial
from uuid import UUID

import psycopg
from redis.exceptions import RedisError

from benchmarks.chaos.freezing import Freezer
from benchmarks.chaos.load import Load
from benchmarks.chaos.poison import PoisonEvent
from benchmarks.chaos.stage import Member, Stage
from engine.failpoints import WATCH
from projections.view import Unreachable
from workers.broker import Bells, connect

FREEZE = "freeze a worker past its lease"
OWED_CHANCE = 0.2
"""How likely it is that a kind that was impossible when its turn came is tried again, at each fault."""

CURE_PAUSE_SECONDS = 1.0

AT_A_POINT = "freeze at a failpoint"
FREEZE_SECONDS = 70.0
"""Longer than a lease, which is a minute."""

FROZEN = ("server", "projector", "scheduler", "worker")

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


class ImpossibleNowError(Exception):
    """This fault is on already, and there is no second one."""


@dataclass
class Nemesis:
    stage: Stage
    load: Load
    chance: random.Random
    injected: list[Injected] = field(default_factory=list)
    _deck: list[str] = field(default_factory=list)
    _dealt: bool = False
    _owed: list[str] = field(default_factory=list)
    poison: PoisonEvent = field(init=False)
    _freezer: Freezer = field(init=False)
    _thawing: list[threading.Timer] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._freezer = Freezer(random.Random(self.chance.random()))
        self.poison = PoisonEvent(self.stage, self.load)

    @property
    def counts(self) -> Counter[str]:
        return Counter(fault.kind for fault in self.injected)

    def note(self, kind: str) -> None:
        self.injected.append(Injected(time.monotonic(), kind))
        with (self.stage.folder / "faults").open("a") as file:
            file.write(f"{time.time():.1f} {kind}\n")

    def strike(self) -> None:
        """One fault, by chance. A server that is just away makes some of them impossible, which is as well."""
        kind = self._next_kind()
        try:
            self.faults[kind][1]()
            self.note(kind)
        except ImpossibleNowError:
            self._owed.append(kind)
        except (OSError, RedisError, psycopg.Error, Unreachable):
            pass

    def _next_kind(self) -> str:
        """Every kind once, the longest first and the others in any order; from then on by weight."""
        if not self._deck and not self._dealt:
            others = [kind for kind in self.faults if kind != FREEZE]
            self._deck, self._dealt = [*self.chance.sample(others, len(others)), FREEZE], True
        if self._deck:
            return self._deck.pop()
        if self._owed and self.chance.random() < OWED_CHANCE:
            return self._owed.pop(0)
        weights = [weight for weight, _ in self.faults.values()]
        return self.chance.choices(list(self.faults), weights)[0]

    @property
    def faults(self) -> dict[str, tuple[int, Callable[[], None]]]:
        """Every kind with its weight."""
        return {
            "kill worker": (6, lambda: self._one("worker").send(signal.SIGKILL)),
            "kill scheduler": (3, lambda: self._one("scheduler").send(signal.SIGKILL)),
            "kill projector": (3, lambda: self._one("projector").send(signal.SIGKILL)),
            "kill server": (3, lambda: self._one("server").send(signal.SIGKILL)),
            "kill everything of ours": (1, self.kill_all),
            FREEZE: (1, lambda: self.freeze("worker", FREEZE_SECONDS)),
            **{f"freeze {role}": (1, partial(self.freeze, role)) for role in FROZEN},
            AT_A_POINT: (3, self.freeze_at),
            "kill valkey": (2, lambda: self.stage.kill_server("valkey")),
            "valkey back empty": (2, self.stage.kill_valkey_empty),
            "flushall": (2, self.flush),
            "kill postgres": (2, lambda: self.stage.kill_server("postgres")),
            "terminate every backend": (2, self.terminate),
            "bells again, shuffled": (3, self.ring_again),
            "receiver answers 500": (2, lambda: self.receiver("500")),
            "receiver slow": (2, lambda: self.receiver("slow")),
            "receiver resets": (2, lambda: self.receiver("reset")),
            "receiver answers 429": (2, lambda: self.receiver("429")),
            "receiver says nothing": (2, lambda: self.receiver("silent", 20)),
            "relay says nothing": (2, lambda: self.receiver("mail silent", 20)),
            "relay slow after DATA": (2, lambda: self.receiver("mail slow", 20)),
            "a worker's way to postgres goes silent": (1, self.swallow),
            "a scheduler's clock jumps": (2, self.set_clock),
            "poison event, passed over": (1, self.poison.give),
            "failpoint": (6, self.arm_any),
        }

    def _one(self, role: str) -> Member:
        return self.chance.choice(self.stage.of(role))

    def kill_all(self) -> None:
        for member in self.stage.members:
            member.send(signal.SIGKILL)

    def freeze(self, role: str, seconds: float | None = None) -> None:
        """Stop a process of this role at any instant, for so long or for 5 to 90 seconds."""
        self._may_freeze(role)
        self._freezer.freeze(self._one(role), seconds)

    def freeze_at(self, point: str | None = None) -> None:
        """Some process dies, and its next life stops at a failpoint for 5 to 90 seconds."""
        place = point or self.chance.choice(sorted(REACHED_BY))
        self._may_freeze(REACHED_BY[place])
        self._freezer.freeze_at(self._one(REACHED_BY[place]), place)

    def _may_freeze(self, role: str) -> None:
        if not self._freezer.is_free(role):
            raise ImpossibleNowError(f"a {role} is frozen")

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

    def receiver(self, mode: str, longest: float = 5) -> None:
        """The receiver or the relay misbehaves for some seconds."""
        self.stage.receiver_mode(mode)
        well = "mail ok" if mode.startswith("mail ") else "ok"
        self._later(self.chance.uniform(1, longest), partial(self.stage.receiver_mode, well))

    def swallow(self) -> None:
        """What one worker says to PostgreSQL, and what it should hear, is lost; for a while new connections too."""
        self.stage.hole.swallow()
        self._later(self.chance.uniform(5, 60), self.stage.hole.mend)

    def set_clock(self) -> None:
        """A scheduler's clock jumps by an hour or a day, and back later."""
        self.stage.wrong_clock(self.chance.choice([-3600.0, 3600.0, 86400.0]))
        self._later(self.chance.uniform(5, 60), partial(self.stage.wrong_clock, 0))

    def _later(self, seconds: float, well: Callable[[], None]) -> None:
        timer = threading.Timer(seconds, well)
        timer.daemon = True
        timer.start()
        self._thawing.append(timer)

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
        for timer in self._thawing:
            timer.cancel()
        self._freezer.heal()
        for well in ("ok", "mail ok"):
            self.stage.receiver_mode(well)
        self.stage.hole.mend()
        self.stage.wrong_clock(0)
        for member in self.stage.members:
            member.send(signal.SIGCONT)
            # Whoever is armed and has not got there yet would die after the healing.
            if {member.arming, member.next_arming} != {WATCH}:
                member.rearm(WATCH)
        self._cure()

    def _cure(self) -> None:
        """No view lacks an event any more: what an outage interrupted is done again, once there is none."""
        while True:
            with suppress(psycopg.Error):
                self.poison.cure()
                if not self.poison.ill:
                    return
            time.sleep(CURE_PAUSE_SECONDS)


def expire_leases(stage: Stage, silent_seconds: float = 3.0) -> int:
    """Let the rest of a minute pass for the chunks whose sender has been silent: what the dead hold is free now."""
    with stage.connect() as connection:
        return connection.execute(
            "UPDATE chunks SET leased_until = now() - interval '1 second' WHERE state = 'sending' "
            "AND leased_until BETWEEN now() AND now() + make_interval(secs => 60 - %s)",
            (silent_seconds,),
        ).rowcount
