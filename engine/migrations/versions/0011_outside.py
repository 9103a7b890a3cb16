"""values that may be personal are kept outside the log

Rewrites what older versions have recorded, a batch of events at a time, inside the one transaction of the migration:
a migration that was interrupted begins again with nothing done. Positions, versions and topics stay as they are.

This file repeats where values are, on purpose: it has to go on reading the events of that time when the code has moved.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

from engine.ids import new_salt

revision = "0011"
down_revision = "0010"

BATCH = 500
"""Events in one round trip."""

FIELDS = {
    "batch_job.requested.v1": ("variables", "request_digest"),
    "batch_job.approved.v1": ("note",),
    "batch_job.rejected.v1": ("reason",),
    "batch_job.step_decided.v1": ("note",),
    "batch_job.run_cancelled.v1": ("reason",),
    "batch_job.unknown_decided.v1": ("note",),
    "batch_job.paused.v1": ("reason",),
    "batch_job.cancel_requested.v1": ("reason",),
    "schedule.attached.v1": ("variables", "request_digest"),
    "schedule.revised.v1": ("variables",),
    "schedule.paused.v1": ("note",),
    "schedule.detached.v1": ("note",),
    "workflow.created.v1": ("name", "description"),
    "workflow.edited.v1": ("name", "description"),
}
META = ("reason", "idempotency_key")

_LABEL = re.compile(r"[A-Za-z0-9_.:-]{1,100}")
_PROPERTY = re.compile(r"[\w $./:-]{1,200}")

_NEXT = sa.text(
    "SELECT notification_id, topic, project_id, recorded_at, state FROM log WHERE notification_id > :after "
    "AND (topic = ANY (:topics) OR position(CAST(:reason AS bytea) IN state) > 0 "
    "OR position(CAST(:key AS bytea) IN state) > 0) ORDER BY notification_id LIMIT :batch"
)
_REWRITE = sa.text(
    "UPDATE log SET state = n.state FROM unnest(CAST(:positions AS bigint[]), CAST(:states AS bytea[])) "
    "AS n (position, state) WHERE log.notification_id = n.position"
)
_KEEP = sa.text(
    "INSERT INTO outside (digest, project_id, salt, value, stored_at) "
    "SELECT digest, project_id, salt, CAST(value AS json), stored_at "
    "FROM unnest(CAST(:digests AS text[]), CAST(:projects AS uuid[]), CAST(:salts AS bytea[]), "
    "CAST(:values AS text[]), CAST(:instants AS timestamptz[])) AS k (digest, project_id, salt, value, stored_at)"
)


_NAMES = re.compile(rb'"\$outside"\s*:\s*"([0-9a-f]{64})"')
_THERE = sa.text("SELECT digest FROM outside WHERE digest = ANY (:digests)")


def upgrade() -> None:
    op.create_table(
        "outside",
        sa.Column("digest", sa.Text(), primary_key=True),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.Column("stored_at", sa.DateTime(timezone=True), nullable=False),
    )
    rewrite(op.get_bind())


def rewrite(connection: sa.Connection) -> int:
    """Move the values of every event outside; how many events were changed. Doing it again changes nothing."""
    after = changed = 0
    asked = {"topics": list(FIELDS), "reason": b'"reason"', "key": b'"idempotency_key"', "batch": BATCH}
    while rows := connection.execute(_NEXT, {**asked, "after": after}).all():
        kept: list[tuple[Any, ...]] = []
        there = _there(connection, rows)
        states = {row.notification_id: _rewritten(row, kept, there) for row in rows}
        fresh = {position: state for position, state in states.items() if state is not None}
        if fresh:
            names = ("digests", "projects", "salts", "values", "instants")
            columns = zip(*kept, strict=True)
            connection.execute(_KEEP, {name: list(column) for name, column in zip(names, columns, strict=True)})
            connection.execute(_REWRITE, {"positions": list(fresh), "states": list(fresh.values())})
        changed += len(fresh)
        after = rows[-1].notification_id
    return changed


def _there(connection: sa.Connection, rows: Sequence[Any]) -> set[str]:
    """The names of values that are outside already: what only looks like one is a tenant's data."""
    digests = [digest.decode() for row in rows for digest in _NAMES.findall(row.state)]
    return set(connection.execute(_THERE, {"digests": digests}).scalars()) if digests else set()


def _rewritten(row: Any, kept: list[tuple[Any, ...]], there: set[str]) -> bytes | None:
    """An event's state with names in the place of values; None when it has none."""
    state, before = json.loads(row.state), len(kept)

    def swap(value: Any) -> Any:
        if value is None or isinstance(value, bool) or value in ("", [], {}) or _name(value) in there:
            return value
        salt = new_salt()
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        digest = hashlib.sha256(salt + text.encode()).hexdigest()
        kept.append((digest, row.project_id, salt, text, row.recorded_at))
        return {"$outside": digest}

    meta = state["meta"]
    state["meta"] = {name: swap(value) if name in META else value for name, value in meta.items()}
    for name in FIELDS.get(row.topic, ()):
        if name in state:
            state[name] = swap(state[name])
    if row.topic in {"workflow.created.v1", "workflow.edited.v1"}:
        state["content"] = _content(state["content"], swap)
    if len(kept) == before:
        return None
    return json.dumps(state, separators=(",", ":"), ensure_ascii=False).encode()


def _name(value: Any) -> str | None:
    named = value.get("$outside") if isinstance(value, dict) and len(value) == 1 else None
    return named if isinstance(named, str) else None


# -- where the values of a workflow's content are


def _content(content: Any, swap: Callable[[Any], Any]) -> Any:
    if not isinstance(content, dict) or not set(content) <= {"trigger", "steps", "edges", "variables"}:
        return swap(content)
    lists: dict[str, tuple[set[str], set[str]]] = {
        "steps": ({"id", "type", "on_error"}, {"name", "config"}),
        "edges": ({"from", "to", "branch"}, set()),
        "variables": ({"key", "type", "required"}, {"default"}),
    }
    parted = dict(content)
    for name, (labels, values) in lists.items():
        if isinstance(content.get(name), list):
            parted[name] = [_object(each, labels, values, swap) for each in content[name]]
        elif name in content:
            parted[name] = swap(content[name])
    if "trigger" in content:
        parted["trigger"] = _trigger(content["trigger"], swap)
    return parted


def _trigger(raw: Any, swap: Callable[[Any], Any]) -> Any:
    match raw:
        case {"type": "batch", "filters": {"properties": list(conditions)}} if len(raw) == 2 == 1 + len(raw["filters"]):
            named = {"type", "key", "operator"}
            return {
                "type": "batch",
                "filters": {"properties": [_object(each, named, {"value"}, swap, _PROPERTY) for each in conditions]},
            }
        case {"type": "manual", "inputs": dict(inputs)} if len(raw) == 2 and all(map(_LABEL.fullmatch, inputs)):
            entries = {name: _object(each, {"type", "required"}, {"default"}, swap) for name, each in inputs.items()}
            return {"type": "manual", "inputs": entries}
        case {"type": "manual"} if len(raw) == 1:
            return raw
    return swap(raw)


def _object(
    raw: Any, labels: set[str], values: set[str], swap: Callable[[Any], Any], label: re.Pattern[str] = _LABEL
) -> Any:
    if not isinstance(raw, dict):
        return swap(raw)
    for name, value in raw.items():
        plain = value is None or isinstance(value, bool) or (isinstance(value, str) and label.fullmatch(value))
        if name not in values and not (name in labels and plain):
            return swap(raw)
    return {name: swap(value) if name in values else value for name, value in raw.items()}


def downgrade() -> None:
    raise NotImplementedError("the log is append-only, and so is its schema")
