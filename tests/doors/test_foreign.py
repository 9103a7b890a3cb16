"""What another project has is to nobody here any different from what nobody has.

Generated from what the doors offer: every operation that takes the id of something is asked with one of another
project, with one that nothing has, and with a text that is none.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert

from aggregates.refusal.events import CallRefused
from commands.batch_job import SizeAudience
from projections import tables
from tests.doors.asks import ASKS
from tests.doors.doors import Doors, Key
from tests.doors.model import CONFIRMATIONS, EVERY_SCOPE, confirmations
from tests.doors.operations import Operation, Told, operations, state
from tests.doors.stage import GROUPS, Stage
from tests.doors.tenants import ANYWHERE, HANDLES, NO_HANDLES, NOWHERE, PEOPLE, Tenant, furnished
from tests.support.product import CAPTURE, Json

OPERATIONS = operations()
CURSORS = ("after", "trace_after")


@pytest.fixture(scope="module")
def here(stage: Stage) -> Tenant:
    return furnished(stage, stage.product.other_project())


@pytest.fixture(scope="module")
def there(stage: Stage) -> Tenant:
    return furnished(stage, stage.product.other_project())


def facts(told: Told) -> tuple[str, int, Json]:
    """All of an answer but what is another one every time; and but what we were refused ourselves about an id."""
    fresh = {"request_id", "as_of_position", "next_cursor", "summary"}
    whole = {name: value for name, value in told.whole.items() if name not in fresh}
    for rows in ("data", "events"):
        if isinstance(whole.get(rows), list):
            whole[rows] = [row for row in whole[rows] if row.get("topic") != CallRefused.TOPIC]
    return told.code, told.status, whole


def typed(operation: Operation, kind: str, id: str) -> Any:
    """People are numbers, in arguments that say so."""
    return int(id) if kind == "person" and operation.door != "http" and id.isdigit() else id


BY_WORD = {"opt_out", "opt_in"}
"""What names a person in its body; commands/test_consent.py has foreign ids for these."""
NAMED = [
    (operation, name)
    for operation in OPERATIONS
    for name in sorted(operation.takes & set(HANDLES))
    if operation.name not in BY_WORD
]


@pytest.mark.parametrize(("operation", "name"), NAMED, ids=str)
def test_a_foreign_an_unknown_and_a_malformed_id_are_answered_alike(
    operation: Operation, name: str, doors: Doors, stage: Stage, here: Tenant, there: Tenant
) -> None:
    kind = HANDLES[name]
    # All else that is named is our own.
    own = {other: here.first[HANDLES[other]] for other in operation.needs & set(HANDLES)}
    before = state(stage)
    foreign, unknown, malformed = (
        [facts(operation.ask(doors, here.key, **own | {name: typed(operation, kind, id)})) for id in ids]
        for ids in (there.things[kind], NOWHERE.get(kind, ANYWHERE)[:-1], NOWHERE.get(kind, ANYWHERE)[-1:])
    )
    assert all(answer == foreign[0] for answer in foreign + unknown)
    if name in operation.needs or operation.name == "workflows-get":
        assert foreign[0][0] == f"{kind}.not_found"
        assert malformed[0] == foreign[0]
    else:
        # A filter finds nothing there, or is refused; a text that is no id may be refused for that.
        assert not foreign[0][2].get("data") and foreign[0][0] in {"ok", f"{kind}.not_found"}
        assert malformed[0] == foreign[0] or malformed[0][0] in {"request.invalid", f"{kind}.not_found"}
    assert state(stage) == before


READING = [(operation, name) for operation, name in NAMED if "." in operation.grant and name in operation.needs]


@pytest.mark.parametrize(("operation", "name"), READING, ids=str)
def test_its_own_project_finds_it(operation: Operation, name: str, doors: Doors, there: Tenant) -> None:
    kind = HANDLES[name]
    own = {other: there.first[HANDLES[other]] for other in operation.needs & set(HANDLES)}
    for id in there.things[kind]:
        # A difference may be asked for from before its first event, which is no secret to its own project.
        code = operation.ask(doors, there.key, **own | {name: typed(operation, kind, id)}).code
        assert code in ({"ok", "stream.not_begun"} if operation.grant == "state.diff" else {"ok"})


def test_every_argument_that_looks_like_an_id_is_known_to_these_tests() -> None:
    like_ids = {name for operation in OPERATIONS for name in operation.takes if name.lower().endswith("id")}
    assert like_ids == set(HANDLES) | NO_HANDLES
    assert {HANDLES[name] for _, name in NAMED} == set(HANDLES.values())


EVENTS = [operation for operation in OPERATIONS if operation.name in {"get_event", "log-read"}]


@pytest.mark.parametrize("operation", EVENTS, ids=str)
def test_the_position_of_an_event_of_another_project_is_as_unknown_as_any(
    operation: Operation, doors: Doors, stage: Stage, here: Tenant, there: Tenant
) -> None:
    statement = "SELECT min(notification_id) FROM log WHERE project_id = :project"
    own, foreign = (stage.product.execute(statement, project=tenant.project)[0][0] for tenant in (here, there))
    assert operation.ask(doors, here.key, position=own).code == "ok"
    answers = [facts(operation.ask(doors, here.key, position=place)) for place in (foreign, 2**50)]
    assert answers[0] == answers[1]
    assert answers[0][0] == "event.not_found"


def test_these_are_the_operations_that_name_an_event() -> None:
    assert {operation.grant for operation in EVENTS} == {"log.get", "log.read"}
    assert {operation.name for operation in OPERATIONS if "position" in operation.needs} == {"get_event"}


# -- cursors

PAGES = [operation for operation in OPERATIONS if operation.takes & set(CURSORS)]
OF_SOMETHING = {"list_occurrences", "list_unknown", "get_run_trace", "runs-get-status"}
"""Pages of one thing, which is named: whoever may not read it gets no page, with or without a cursor."""


@pytest.mark.parametrize("operation", PAGES, ids=str)
def test_a_cursor_of_another_project_leads_to_nothing_foreign(
    operation: Operation, doors: Doors, here: Tenant, there: Tenant
) -> None:
    (name,) = operation.takes & set(CURSORS)
    own, foreign = (
        {other: tenant.first[HANDLES[other]] for other in operation.needs & set(HANDLES)} for tenant in (here, there)
    )
    malformed = operation.ask(doors, here.key, **own, **{name: "bm90IGEgY3Vyc29y"})
    assert malformed.code == "request.invalid"
    if operation.name in OF_SOMETHING:
        return
    short = {"limit": 1} if "limit" in operation.takes else {}
    cursor = next_cursor(operation.ask(doors, there.key, **foreign, **short))
    if not short:
        cursor = cursor_of_the_same_list(operation, doors, there)
    assert cursor is not None
    page = operation.ask(doors, here.key, **own, **{name: cursor})
    assert page.code == "ok"
    ids = {id for ids in there.things.values() for id in ids if len(id) > 12}
    assert not [id for id in ids if id in str(page.whole)]


def cursor_of_the_same_list(operation: Operation, doors: Doors, tenant: Tenant) -> str:
    """For a list whose pages cannot be made shorter: what the same read says at another door."""
    (other,) = (each for each in OPERATIONS if each.grant == operation.grant and each.door == "mcp")
    return str(next_cursor(other.ask(doors, tenant.key, limit=1)))


def next_cursor(told: Told) -> Any:
    return told.whole.get("next_cursor", told.whole.get("nextCursor"))


# -- confirm tokens

ACKNOWLEDGING = sorted(command for command in ASKS if confirmations(command) == CONFIRMATIONS)
STANDING = {"RunBatch": "active", "AttachSchedule": "active", "ApproveBatchJob": "held"}


def test_these_are_all_that_take_a_token() -> None:
    taking = {operation.grant for operation in OPERATIONS if "confirm_token" in operation.takes}
    # A retry is asked for of a job with failed runs; commands/test_retry.py has tokens of all kinds for it.
    # An agent brings one for what a human paused, and for a manual run: commands/test_manual_guard.py.
    assert taking == {*ACKNOWLEDGING, "RetryFailed", "ResumeBatchJob", "RunWorkflow"}


@pytest.mark.parametrize("command", ACKNOWLEDGING)
def test_a_token_of_another_project_buys_no_more_than_one_of_another_principal(
    command: str, doors: Doors, stage: Stage, there: Tenant
) -> None:
    asker = stage.key(EVERY_SCOPE, False)
    status = STANDING.get(command, "paused" if command == "ResumeSchedule" else "active")
    target = stage.target(command, status, asker, fresh=True)
    theirs = stage.ask(SizeAudience(UUID(there.first["workflow"])), project_id=there.project, id=there.key.id)[
        "confirm_token"
    ]
    anothers = stage.proof(command, target, "foreign", asker, fresh=True)["confirm_token"]
    before = stage.traces()
    for door in doors:
        said = [
            door.ask(
                ASKS[command](target.id, {"acknowledged_affected_count": target.people, "confirm_token": token}), asker
            )
            for token in (theirs, anothers)
        ]
        wanted = "approval.not_for_agents" if command == "ApproveBatchJob" and door.name == "mcp" else "confirm.changed"
        if said[0].code != "no such tool":
            assert [verdict.code for verdict in said] == [wanted, wanted]
            assert said[0] == said[1]
    assert stage.traces() == before
    assert GROUPS["few"] == PEOPLE  # so that it is not the number that tells them apart


# -- idempotency keys

REPEATED = [operation for operation in OPERATIONS if "idempotency_key" in operation.takes]


@pytest.mark.parametrize("operation", REPEATED, ids=str)
def test_an_idempotency_key_is_a_space_of_its_own_for_project_principal_and_command(
    operation: Operation, doors: Doors, stage: Stage, here: Tenant, there: Tenant
) -> None:
    key = f"same {operation}"
    used(stage, there.project, there.key, operation.grant, key)
    used(stage, there.project, here.key, operation.grant, key)
    used(stage, here.project, there.key, operation.grant, key)
    used(stage, here.project, here.key, "NoSuchCommand", key)
    refused = operation.ask(doors, here.key, repeats=key)
    assert refused.code.endswith((".not_found", ".invalid")) or operation.grant == "SetPolicy", refused
    # The same row of one's own is found: it is these that the others would have been.
    own = f"own {operation}"
    used(stage, here.project, here.key, operation.grant, own)
    assert operation.ask(doors, here.key, repeats=own).code == "idempotency.mismatch"


def used(stage: Stage, project: UUID, key: Key, command: str, idempotency_key: str) -> None:
    row = {"project_id": project, "principal_id": key.id, "command": command, "key": idempotency_key}
    with stage.product.system.engine.begin() as connection:
        connection.execute(
            insert(tables.idempotency_keys).values(**row, body_digest="another", created_at=stage.product.clock.now())
        )


# -- what is named inside of content

CONTENTS = [operation for operation in OPERATIONS if operation.takes & {"trigger", "conditions"}]


@pytest.mark.parametrize("operation", CONTENTS, ids=str)
def test_a_cohort_of_another_project_in_an_audience_is_as_unknown_as_any(
    operation: Operation, doors: Doors, stage: Stage, here: Tenant, there: Tenant
) -> None:
    def ask(cohort: str) -> tuple[str, int, Json]:
        conditions = [{"type": "cohort", "key": "id", "operator": "in", "value": cohort}]
        trigger = {"type": "batch", "filters": {"properties": conditions}}
        content: Json = {"conditions": conditions, "kind": "dynamic", "members": []}
        if "trigger" in operation.takes:
            content = {"trigger": trigger, "steps": [CAPTURE]}
        if "version" in operation.takes:
            content["version"] = 1
        draft = {"workflow_id": str(stage.target("EditWorkflow", "draft", here.key, fresh=True).id)}
        asker = stage.key(EVERY_SCOPE, False)
        told = operation.ask(doors, asker, content, **draft if "workflow_id" in operation.needs else {})
        return facts(replace(told, whole=json.loads(json.dumps(told.whole).replace(cohort, "COHORT"))))

    answers = [ask(cohort) for cohort in (*there.things["cohort"], ANYWHERE[0])]
    assert answers[0][0].endswith(".invalid")
    assert answers[0] == answers[1] == answers[2]
    (fault,) = answers[0][2]["errors"]
    assert fault["code"] == "cohort.unknown"
    (malformed,) = ask(ANYWHERE[1])[2]["errors"]
    assert malformed["pointer"] == fault["pointer"]


@pytest.mark.parametrize("operation", [each for each in OPERATIONS if each.takes & {"people", "members"}], ids=str)
def test_a_person_of_another_project_is_named_in_vain(
    operation: Operation, doors: Doors, stage: Stage, here: Tenant, there: Tenant
) -> None:
    with stage.product.system.engine.begin() as connection:
        row = {"project_id": there.project, "distinct_id": f"only there {operation}"}
        connection.execute(insert(tables.people).values(row))
    (name,) = operation.takes & {"people", "members"}
    own = {"workflow_id": here.first["workflow"]} if "workflow_id" in operation.needs else {}
    answers = [
        facts(operation.ask(doors, here.key, {name: [person]}, **own)) for person in (row["distinct_id"], "nobody")
    ]
    assert answers[0] == answers[1]
    assert answers[0][0].endswith(".invalid") or "not_found" in answers[0][0], answers[0]
