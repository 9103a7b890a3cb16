"""Who may read the log but no people learns nothing of them from events, from states of the past, or from differences.

Two projects have the same history but for whom it is about. A key without person:read reads the same of both, wherever
the past is read; a key with it reads what is different.
"""

from __future__ import annotations

import io
import json
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert

import aggregates
from aggregates.base import Event, Principal
from aggregates.batch_job.aggregate import BatchJob
from aggregates.errors import DomainError
from aggregates.values import NOBODY
from commands.batch_job import RunBatch
from commands.consent import OptIn, OptOut, Suppress, Unsuppress
from commands.grants import SCOPES
from commands.people import CreateCohort, ImportPeople
from commands.runs import RunWorkflow
from commands.workflow import CreateWorkflow, EnableWorkflow
from engine.store import Store
from projections import tables
from projections.person_facts import OF_PEOPLE, PEOPLE_TOPICS, TELLING, WITHHELD
from tests.doors.doors import Doors, Key
from tests.doors.stage import Stage
from tests.support.product import CAPTURE, EVERYONE, Json, person
from workers.enrolment import enrol

PEOPLE = ("ann", "ben", "cleo")

TOLD = {
    "cohort.created.v1": ("members", "conditions_digest"),
    "people.imported.v1": ("sha256", "source", "inserted", "updated", "unchanged", "addresses_changed"),
    "people.opted_out.v1": ("person_id", "address", "topic", "reason", "source"),
    "people.opted_in.v1": ("person_id", "address", "topic", "reason", "source"),
    "people.suppressed.v1": ("address", "reason", "source"),
    "people.unsuppressed.v1": ("address", "reason", "source"),
    "batch_job.run_cancelled.v1": ("person_id",),
    "batch_job.unknown_decided.v1": ("person_id",),
}
"""What events say of people."""

WORDED = {"batch_job.failed.v1": ("code", "reason"), "call.refused.v1": ("code", "kind")}
"""Words of events that are about people, if they are what these are here."""

SILENT = ["http state batch_job.failed.v1", "mcp state batch_job.failed.v1", "studio get_run_status run"]
"""Readings that say nothing of people to anybody."""


@dataclass(frozen=True)
class Past:
    """A project with a history, its job and its manual run, and a key without person:read beside one with it."""

    job: str
    run: str
    blind: Key
    seeing: Key


@pytest.fixture(scope="module")
def pasts(stage: Stage) -> tuple[Past, Past]:
    return _past(stage, "ann", ["ann"]), _past(stage, "ben", ["ann", "ben"])


def _past(stage: Stage, who: str, members: list[str]) -> Past:
    """A history about one person, with a cohort of these members."""
    project = stage.product.other_project()
    there: Json = {"project_id": project}
    with stage.product.system.engine.begin() as connection:
        rows = [{"project_id": project, "distinct_id": name, "email": f"{name}@example.com"} for name in PEOPLE]
        added = insert(tables.people).returning(tables.people.c.id, sort_by_parameter_order=True)
        ids = dict(zip(PEOPLE, connection.execute(added, rows).scalars(), strict=True))
    address = f"{who}@example.com"
    conditions = [person("email", "exact", address)]
    made = stage.ask(CreateWorkflow("Launch", trigger=EVERYONE, steps=[CAPTURE]), **there)
    workflow_id = UUID(made["workflow_id"])
    stage.ask(EnableWorkflow(workflow_id), **there)
    job_id = UUID(stage.ask(RunBatch(workflow_id, len(PEOPLE)), **there)["batch_job_id"])
    _decided(stage, project, job_id, ids[who])
    stage.ask(CreateCohort("Some", "static", members=members), **there)
    stage.ask(CreateCohort("Rules", "dynamic", conditions=conditions), **there)
    told: Json = {"topic": who, "reason": f"{who}s", "source": f"{who}s-page"}
    stopped: Json = {"reason": {"ann": "complaint", "ben": "hard_bounce"}[who], "source": f"{who}s-relay"}
    for command in (
        OptOut(person_id=ids[who], **told),
        OptIn(distinct_id=who, **told),
        Suppress(address, **stopped),
        Unsuppress(address, source=f"{who}s-relay"),
    ):
        stage.ask(command, **there)
    _stopped(stage, project, workflow_id, who)
    # One of them is there already and the other is not; or both are new.
    file = "".join(f"{name},{name}@example.org\n" for name in ({"ann": "ann", "ben": "dora"}[who], "emil"))
    stage.ask(ImportPeople(io.BytesIO(f"distinct_id,email\n{file}".encode()), "csv"), **there)
    run = _skipped(stage, project, who)
    stage.settle()
    return Past(str(job_id), run, *(_key(stage, project, scopes) for scopes in (SCOPES - {"person:read"}, SCOPES)))


def _stopped(stage: Stage, project: UUID, workflow_id: UUID, who: str) -> None:
    """Let something end for a reason that says something of people, another one for each."""
    system = stage.product.system
    meta = system.meta(Principal(project_id=project, id="another", scopes=SCOPES, source="api"), via="test")
    code = {"ann": "audience.empty", "ben": "audience.drift"}[who]
    job_id = UUID(stage.ask(RunBatch(workflow_id, len(PEOPLE)), project_id=project)["batch_job_id"])
    with system.engine.begin() as connection:
        store = Store(connection, system.recorder)
        job = store.load(BatchJob, job_id, meta)
        job.fail(code=code, reason=f"It is about {who}.", meta=meta)
        store.save(job)
    system.refusals.record(DomainError(code), meta, "RunBatch", workflow_id)


def _skipped(stage: Stage, project: UUID, who: str) -> str:
    """A manual run to an address that nothing may be sent to when its turn comes, each for another reason."""
    steps = [{"id": "mail", "type": "email", "config": {"to": "{{ inputs.to }}", "subject": "Hello", "text": "Hello"}}]
    trigger: Json = {"type": "manual", "inputs": {"to": {"type": "address"}}}
    workflow_id = UUID(stage.ask(CreateWorkflow("To", trigger=trigger, steps=steps), project_id=project)["workflow_id"])
    stage.ask(EnableWorkflow(workflow_id), project_id=project)
    run = stage.ask(RunWorkflow(workflow_id, {"to": "one@example.net"}), project_id=project)
    job_id = UUID(run["batch_job_id"])
    enrol(stage.product.system, job_id)
    reason = {"ann": "opted_out", "ben": "suppressed"}[who]
    note = {"step": "mail", "outcome": "skipped", "reason": reason}
    with stage.product.system.engine.begin() as connection:
        row: Json = {"job_id": job_id, "person_id": NOBODY, "status": "skipped", "reason": reason, "steps": [note]}
        connection.execute(insert(tables.runs).values(**row, updated_at=stage.product.clock.now()))
    return str(run["run_id"])


def _decided(stage: Stage, project: UUID, job_id: UUID, person_id: int) -> None:
    """Decide about a person's run, as another human may."""
    system = stage.product.system
    meta = system.meta(Principal(project_id=project, id="another", scopes=SCOPES, source="api"), via="test")
    with system.engine.begin() as connection:
        store = Store(connection, system.recorder)
        job = store.load(BatchJob, job_id, meta)
        job.enrol(enrolled=len(PEOPLE), chunks=1, fingerprint=job.fingerprint, meta=meta)
        job.cancel_run(person_id, reason="asked", meta=meta)
        job.decide_unknown(person_id, "note", decision="failed", note="", meta=meta)
        store.save(job)


def _key(stage: Stage, project: UUID, scopes: frozenset[str]) -> Key:
    system = stage.product.system
    with system.engine.begin() as connection:
        id, plain = system.keyring.create(
            connection, project, name="reader", scopes=sorted(scopes), now=system.clock.now()
        )
    return Key(id, plain, scopes, False)


def _events(doors: Doors, key: Key) -> list[Json]:
    return list(doors.http.send(key, "GET", "/log?limit=100&from_position=1").json()["data"])


def _readings(doors: Doors, past: Past, key: Key) -> Iterator[tuple[str, Any]]:
    """Everything that is told of the past, by every way to it."""
    events = [event for event in _events(doors, key) if event["topic"] in {**TOLD, **WORDED}]
    for event in events:
        topic, position = event["topic"], event["position"]
        yield f"http log {topic}", event["data"]
        yield f"http event {topic}", doors.http.send(key, "GET", f"/log/{position}").json()["data"]
        state = doors.http.send(key, "GET", f"/streams/{event['stream_id']}/state?position={position}").json()
        yield f"http state {topic}", state["state"]
        (listed,) = doors.mcp.call(key, "log-read", {"from_position": position, "limit": 1})[0]["events"]
        (whole,) = doors.mcp.call(key, "log-read", {"position": position})[0]["events"]
        yield f"mcp log {topic}", listed["data"]
        yield f"mcp event {topic}", whole["data"]
        there = {"stream_id": event["stream_id"], "position": position}
        yield f"mcp state {topic}", doors.mcp.call(key, "state-at", there)[0]["state"]
    first = min(event["position"] for event in events if event["stream_id"] == past.job)
    diff = f"/streams/{past.job}/diff?from_position={first - 1}"
    yield "http diff", doors.http.send(key, "GET", diff).json()["changes"]
    for name in ("", "/result", "/trace"):
        yield f"http run{name} run", doors.http.send(key, "GET", f"/runs/{past.run}{name}").json()
    for name in ("runs-get-status", "runs-get-result"):
        yield f"mcp {name} run", doors.mcp.call(key, name, {"run_id": past.run})[0]
    for name in ("get_run_status", "get_run_result"):
        yield f"studio {name} run", doors.studio.call(key, name, {"runId": past.run})[0]
    for name in ("show", "trace", "result"):
        yield f"cli {name} run", doors.cli.call(key, "runs", name, past.run)
    yield "http jobs run", doors.http.send(key, "GET", "/batch-jobs?status=failed").json()["data"]


def _plain(said: Any) -> str:
    """What was said, without ids and instants, and without what is drawn or salted for each project."""
    text = json.dumps(said, sort_keys=True)
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<id>", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT[0-9:.+Z-]+", "<time>", text)
    return re.sub(r'("(?:fingerprint|request_digest)": )"[^"]*"', r"\1<digest>", text)


def test_a_key_that_reads_no_people_reads_two_pasts_alike(doors: Doors, pasts: tuple[Past, Past]) -> None:
    one, other = ([(name, _plain(said)) for name, said in _readings(doors, past, past.blind)] for past in pasts)
    assert {name.rpartition(" ")[2] for name, _ in one} == {*TOLD, *WORDED, "diff", "run"}
    assert one == other


def test_a_key_that_reads_people_reads_what_is_different(doors: Doors, pasts: tuple[Past, Past]) -> None:
    """Otherwise the test above would see nothing."""
    one, other = ([_plain(said) for _, said in _readings(doors, past, past.seeing)] for past in pasts)
    names = [name for name, _ in _readings(doors, pasts[0], pasts[0].seeing)]
    assert [name for name, mine, theirs in zip(names, one, other, strict=True) if mine == theirs] == SILENT


def test_every_field_is_there_and_says_nothing(doors: Doors, pasts: tuple[Past, Past]) -> None:
    past = pasts[0]
    for event in _events(doors, past.blind):
        names, words = TOLD.get(event["topic"], ()), WORDED.get(event["topic"], ())
        assert {name: event["data"][name] for name in names} == dict.fromkeys(names)
        assert {name: event["data"][name] for name in words} == dict.fromkeys(words, WITHHELD)
    seen = [event for event in _events(doors, past.seeing) if event["topic"] in TOLD]
    assert {name for event in seen for name in TOLD[event["topic"]] if event["data"][name] is not None} == {
        name for names in TOLD.values() for name in names
    }
    state = doors.http.send(past.blind, "GET", f"/streams/{past.job}/state").json()["state"]
    assert (state["cancelled_runs"], state["unknown_decided"]) == (None, None)
    own = doors.http.send(past.seeing, "GET", f"/streams/{past.job}/state").json()["state"]
    assert len(own["cancelled_runs"]) == len(own["unknown_decided"]) == 1


def test_a_difference_does_not_tell_that_something_hidden_changed(doors: Doors, pasts: tuple[Past, Past]) -> None:
    past = pasts[0]
    (cancelled,) = (each for each in _events(doors, past.seeing) if each["topic"] == "batch_job.run_cancelled.v1")
    path = f"/streams/{past.job}/diff?from_position={cancelled['position'] - 1}"
    seen, hidden = (doors.http.send(key, "GET", path).json()["changes"] for key in (past.seeing, past.blind))
    assert {change["pointer"].split("/")[1] for change in seen} == {"cancelled_runs", "unknown_decided"}
    assert hidden == []


def test_every_event_whose_fields_are_named_after_people_is_looked_at() -> None:
    for module in pkgutil.walk_packages(aggregates.__path__, "aggregates."):
        import_module(module.name)
    named = re.compile(r"person|people|address|member|recipient|distinct|email")
    found = {
        (event.TOPIC, name)
        for event in _kinds(Event)
        for name in event.__annotations__
        if hasattr(event, "TOPIC") and named.search(name)
    }
    assert {name for _, name in found} <= TELLING
    assert {topic for topic, _ in found} <= set(TOLD)
    assert {name for topic, names in TOLD.items() for name in names if not topic.startswith(PEOPLE_TOPICS)} <= TELLING
    assert {name for names in TOLD.values() for name in names} <= TELLING | OF_PEOPLE


def _kinds(kind: type[Any]) -> Iterator[type[Any]]:
    for each in kind.__subclasses__():
        yield each
        yield from _kinds(each)
