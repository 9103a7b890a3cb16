"""The log, and states of the past."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from mcp_adapter.schemas import Answer, Arguments, Row, Text
from mcp_adapter.tool import READS_ONLY, Call, Tool
from mcp_adapter.tools.fields import After, Id, Instant, instant_of, page_summary

DATA_BUDGET = 600
"""Characters of what one event of a list says."""

WHOLE_BUDGET = 18_000
"""Characters of one event, or of one state, when nothing else is asked for."""

LISTED_AT_ONCE = 20
"""Most events of a page; so many, each with all that it may have, are about 6,000 tokens."""

MOST_POSITION = 2**53

Stream = Id
"""Of whatever has events, so it has a name of its own."""


class ReadLog(Arguments):
    stream_id: Stream | None = Field(None, description="A workflow_id, schedule_id or batch_job_id.")
    topic: str | None = Field(None, max_length=200, description="How topics begin, as schedule.")
    actor: str | None = Field(None, max_length=200)
    source: Literal["web", "api", "mcp", "cli", "scheduler", "system"] | None = None
    refused: bool = Field(False, description="Only refused calls.")
    since: Instant | None = None
    until: Instant | None = None
    from_position: int | None = Field(None, ge=1, lt=MOST_POSITION, description="Oldest first from here.")
    position: int | None = Field(None, ge=1, lt=MOST_POSITION, description="This one event in full.")
    limit: int = Field(10, ge=1, le=LISTED_AT_ONCE)
    after: After | None = None


class EventRow(Row):
    position: int
    recorded_at: Text
    topic: str
    kind: str
    stream_id: Text
    version: int
    actor: str
    source: str
    on_behalf_of: str | None = None
    owner: str | None = None
    via: str | None = None
    request_id: str | None = None
    correlation_id: str | None = None
    data: dict[str, Any]
    left_out: list[str] | None = None


class Log(Answer):
    events: list[EventRow]
    next_cursor: str | None = None


class StateAt(Arguments):
    stream_id: Stream = Field(description="A workflow_id, schedule_id or batch_job_id.")
    position: int | None = Field(None, ge=1, lt=MOST_POSITION)
    time: Instant | None = None


class State(Answer):
    stream_id: Text
    kind: str
    position: int
    version: int
    recorded_at: Text
    state: dict[str, Any]
    left_out: list[str] | None = None


def read_log(call: Call, given: ReadLog) -> Log:
    reads = call.system.reads.log
    if given.position is not None:
        event = _event(reads.get(call.principal, given.position), WHOLE_BUDGET)
        return Log(summary=f"One event.{_ELSEWHERE if event.left_out else ''}", events=[event])
    filters = given.model_dump(exclude={"position", "since", "until"})
    page = reads.read(call.principal, since=instant_of(given.since), until=instant_of(given.until), **filters)
    events = [_event(row, DATA_BUDGET) for row in page.data]
    summary = page_summary(len(events), "event", page.next_cursor)
    if any(event.left_out for event in events):
        summary += " left_out names what is too long here: ask again with that event's position."
    return Log(summary=summary, events=events, next_cursor=page.next_cursor)


def state_at(call: Call, given: StateAt) -> State:
    found = call.system.replay.state_at(
        call.principal, given.stream_id, position=given.position, time=instant_of(given.time)
    )
    state, left_out = _fitting(found["state"], WHOLE_BUDGET)
    summary = f"How it stood after its event {found['version']}, at position {found['position']}."
    summary += _ELSEWHERE if left_out else ""
    return State(**found | {"summary": summary, "state": state, "left_out": left_out})


_ELSEWHERE = " left_out names what is too long for here; over HTTP and on the command line it is whole."


def _event(row: Mapping[str, Any], budget: int) -> EventRow:
    data, left_out = _fitting(row["data"], budget)
    return EventRow(**{**row, "data": data, "left_out": left_out})


def _fitting(data: Mapping[str, Any], budget: int) -> tuple[dict[str, Any], list[str] | None]:
    """The fields of an object that fit into so many characters, the small ones first; and the names of the others."""
    sizes = {name: len(json.dumps({name: value}, ensure_ascii=False)) for name, value in data.items()}
    kept = set()
    for name in sorted(sizes, key=lambda name: sizes[name]):
        budget -= sizes[name]
        if budget >= 0:
            kept.add(name)
    return {name: data[name] for name in data if name in kept}, [name for name in data if name not in kept] or None


TOOLS: tuple[Tool[Any, Any], ...] = (
    Tool(
        "log-read",
        "Read the log",
        "What was done and what was refused, by whom: newest first, or from_position on. Use it to say who did "
        "something, when and why it was not done.",
        "log.read",
        ReadLog,
        Log,
        READS_ONLY,
        read_log,
    ),
    Tool(
        "state-at",
        "See the past",
        "A workflow, schedule or batch job as it was at a position of log-read or at a time; without either, as it is.",
        "state.at",
        StateAt,
        State,
        READS_ONLY,
        state_at,
    ),
)
