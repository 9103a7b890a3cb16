"""What is asked of the product while it is beaten: batches with idempotency keys, schedules, pauses, resumes, cancels.

Everything that was acknowledged is written down here, and the checker holds the product to it.
"""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from benchmarks.chaos.client import Client, Json
from benchmarks.chaos.evidence import Acknowledged, Attached

PARTS = 5
"""People have a property `part` of so many values, so that jobs have different audiences."""

MOST_OPEN = 5
"""Jobs of the load that are at work at the same time."""

ENDED = frozenset({"cancelled", "completed", "completed_with_failures", "failed", "rejected"})
NOTE: Json = {"id": "note", "name": "Note", "type": "capture", "config": {"message": "Hello {{ person.distinct_id }}"}}
MAIL: Json = {
    "id": "mail",
    "name": "Mail",
    "type": "email",
    "config": {"subject": "{{ run.id }}", "text": "{{ person.distinct_id }}", "max_attempts": 5},
}
# Three kinds of people for whom this cannot be rendered: no number, nothing to divide by, a text that becomes too long.
TEXT = "{{ 12 | divided_by: person.properties.share }}{% for n in (1..500) %}{{ person.properties.long }}{% endfor %}"
POISON: Json = {"id": "note", "name": "Note", "type": "capture", "config": {"message": TEXT}}
POISONS = {7: ("a cow", "x"), 17: ("0", "x"), 25: ("4", "x" * 2000)}
"""`share` and `long` of one person in fifty of each kind, by the rest of their number; everybody else has PLAIN."""
PLAIN = ("4", "x")


def is_poison(person: str) -> bool:
    """Whether the text of a poison job cannot be rendered for this person."""
    return int(person[1:]) % 50 in POISONS


WAIT: Json = {"id": "wait", "name": "Wait", "type": "delay", "config": {"seconds": 2}}


def call(port: int, **config: Any) -> Json:
    """A webhook step that says whose run it is."""
    body = {"run": "{{ run.id }}", "person": "{{ person.distinct_id }}"}
    address = f"http://127.0.0.1:{port}/hook"
    return {"id": "call", "name": "Call", "type": "webhook", "config": {"url": address, "body": body, **config}}


@dataclass
class Load:
    """The people, the requests made so far, and what was promised. `another` decides about what `client` asked for."""

    client: Client
    another: Client
    receiver_port: int
    people: int
    chance: random.Random
    prefix: str = "chaos"
    acknowledged: list[Acknowledged] = field(default_factory=list)
    attached: list[Attached] = field(default_factory=list)
    refused: list[Json] = field(default_factory=list)
    _open: set[str] = field(default_factory=set)
    _paused: set[str] = field(default_factory=set)
    _number: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def steps(self, kind: str) -> list[Json]:
        sent = call(self.receiver_port, max_attempts=5)
        return {
            "capture": [NOTE],
            "webhook": [sent],
            "journey": [NOTE, WAIT, sent],
            "careful": [call(self.receiver_port, on_unknown="hold")],
            "mail": [MAIL],
            "poison": [POISON],
        }[kind]

    def import_people(self) -> None:
        """All people in one file; importing the same file again changes nothing."""
        head = ("distinct_id", "email", "part", "who", "share", "long")
        rows = [
            (f"p{n}", f"p{n}@example.com", f"part{n % PARTS}", "many" if n else "one", *POISONS.get(n % 50, PLAIN))
            for n in range(self.people)
        ]
        file = "".join(",".join(row) + "\n" for row in (head, *rows)).encode()
        answer = self.client.ask("POST", "/people:import", file)
        assert answer.accepted, answer

    def audience(self, parts: list[int] | None) -> list[str]:
        """Who is in a job over these parts; over everybody; or, with no part at all, the one person of a probe."""
        if parts == []:
            return ["p0"]
        return [f"p{n}" for n in range(self.people) if parts is None or n % PARTS in parts]

    def start(self, kind: str, parts: list[int] | None) -> str | None:
        """Define, enable, size, run: the job's id, or None when it was refused."""
        workflow, sizing = self._sized(kind, parts)
        body = {
            "acknowledged_affected_count": sizing["affected"],
            "confirm_token": sizing["confirm_token"],
        }
        key, path = self._key(), f"/workflows/{workflow}/run-batch"
        asked = time.time()
        answer = self.client.ask("POST", path, body, key)
        if not answer.accepted:
            self.refused.append({"path": path, "answer": answer.body})
            return None
        job = str(answer.body["batch_job_id"])
        with self._lock:
            self.acknowledged.append(Acknowledged(key, path, body, job, kind, self.audience(parts), asked))
        return job

    def make_workflow(self, name: str) -> None:
        """One that is never enabled."""
        trigger = {"type": "batch", "filters": {"properties": []}}
        made = self.client.ask(
            "POST", "/workflows", {"name": name, "trigger": trigger, "steps": [NOTE], "edges": []}, self._key()
        )
        assert made.accepted, made

    def attach(self, parts: list[int], seconds: float) -> None:
        """An hourly schedule whose first occurrence is so many seconds away."""
        first = (datetime.now(UTC) + timedelta(seconds=seconds)).replace(microsecond=0)
        when = {"rrule": "FREQ=HOURLY", "starts_at": first.replace(tzinfo=None).isoformat()}
        workflow, sizing = self._sized("capture", parts, {"schedule": when})
        body = {
            **when,
            "acknowledged_affected_count": sizing["affected"],
            "confirm_token": sizing["confirm_token"],
        }
        answer = self.client.ask("POST", f"/workflows/{workflow}/schedules", body, self._key())
        if answer.accepted:
            self.attached.append(Attached(str(answer.body["schedule_id"]), first.isoformat(), self.audience(parts)))
        else:
            self.refused.append({"path": "schedules", "answer": answer.body})

    def act(self) -> None:
        """One more thing, by chance."""
        self._open -= {job for job in self._open if self.client.status_of(job) in ENDED}
        self._paused &= self._open
        choice = self.chance.random()
        if len(self._open) < MOST_OPEN and choice < 0.55:
            kind = self.chance.choice(["capture", "webhook", "webhook", "journey", "careful", "mail", "poison"])
            parts = self.chance.choice([None, [0], [1, 2], [1, 3, 4]])
            job = self.start(kind, parts)
            self._open |= {job} if job else set()
        elif choice < 0.6:
            self.attach([self.chance.randrange(PARTS)], self.chance.uniform(3, 10))
        elif choice < 0.65:
            self.import_people()
        elif self._open:
            self._steer(self.chance.choice(sorted(self._open)), choice)

    def _steer(self, job: str, choice: float) -> None:
        if job in self._paused:
            self._order(job, "resume", None)
            self._paused.discard(job)
        elif choice < 0.8:
            self._order(job, "pause", {"reason": "chaos"})
            self._paused.add(job)
        elif choice < 0.87:
            self._order(job, "cancel", {"reason": "chaos"})

    def resume_all(self) -> None:
        """After healing nothing stands still on purpose."""
        for job in list(self.client.rows("/batch-jobs?status=paused")):
            self._order(job["id"], "resume", None)

    def decide_all(self) -> None:
        """What must not be repeated, and of which nobody knows, waits for a person, who lets it count as failed."""
        for job in list(self.client.rows("/batch-jobs?status=running")):
            for run in list(self.client.rows(f"/batch-jobs/{job['id']}/unknown")):
                path = f"/runs/{run['run_id']}/decide-unknown"
                self.another.ask("POST", path, {"decision": "failed", "note": "chaos"}, self._key())

    def repeat_all(self) -> dict[str, str]:
        """Every run-batch request once more, with its key: the job that each is answered with."""
        answers = {}
        for promise in self.acknowledged:
            answer = self.client.ask("POST", promise.path, promise.body, promise.key)
            answers[promise.key] = str(answer.body.get("batch_job_id", answer.body.get("code")))
        return answers

    def _order(self, job: str, what: str, body: Json | None) -> None:
        """A refusal is right when the job has ended meanwhile."""
        self.client.ask("POST", f"/batch-jobs/{job}/{what}", body, self._key())

    def _sized(self, kind: str, parts: list[int] | None, what: Json | None = None) -> tuple[str, Json]:
        condition = {"type": "person", "key": "part", "operator": "exact", "value": [f"part{n}" for n in parts or []]}
        if parts == []:
            condition |= {"key": "who", "value": ["one"]}
        trigger = {"type": "batch", "filters": {"properties": [] if parts is None else [condition]}}
        steps = self.steps(kind)
        edges = [{"from": one["id"], "to": other["id"], "branch": "next"} for one, other in pairwise(steps)]
        body = {"name": kind, "trigger": trigger, "steps": steps, "edges": edges}
        made = self.client.ask("POST", "/workflows", body, self._key())
        assert made.accepted, made
        workflow = str(made.body["workflow_id"])
        enabled = self.client.ask("POST", f"/workflows/{workflow}/activate", None, self._key())
        assert enabled.accepted, enabled
        sizing = self.client.ask("POST", f"/workflows/{workflow}/blast-radius", what or {})
        assert sizing.accepted, sizing
        return workflow, sizing.body

    def _key(self) -> str:
        with self._lock:
            self._number += 1
            return f"{self.prefix}-{self._number}"


def keep_loading(load: Load, until: float, failures: list[BaseException]) -> None:
    """Act until an instant of the monotonic clock; what goes wrong is kept for the round."""
    try:
        while time.monotonic() < until:
            load.act()
            time.sleep(load.chance.uniform(0.0, 0.6))
    except BaseException as error:  # noqa: BLE001 - it is the round's to raise
        failures.append(error)
