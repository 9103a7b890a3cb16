"""What the checker sees, and how it is gathered: the receiver's book, the event table, answers of the API."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.chaos.client import Client, Json

VIEWS = ("workflows", "schedules", "occurrences", "batch_jobs")


@dataclass(frozen=True)
class Acknowledged:
    """A run-batch request that was answered with yes."""

    key: str
    path: str
    body: Json
    job: str
    kind: str
    audience: list[str]
    asked: float = 0.0
    """The instant before it was asked for the first time."""


@dataclass(frozen=True)
class Attached:
    """A schedule that was answered with yes; `first` is its only occurrence during the round."""

    id: str
    first: str
    audience: list[str]


@dataclass(frozen=True)
class Arrival:
    """One request as the receiver saw it. An answer of 0 is a connection that it tore."""

    key: str
    run: str
    person: str
    at: float
    answer: int


@dataclass(frozen=True)
class Fact:
    """One row of the event table."""

    stream: str
    version: int
    topic: str
    recorded_at: datetime
    state: Json


@dataclass(frozen=True)
class Small:
    """A small job of another project, and the instant before it was asked for; `alone` while nothing was wrong."""

    job: str
    asked: float
    alone: bool


@dataclass
class Evidence:
    acknowledged: list[Acknowledged]
    attached: list[Attached]
    asked_again: dict[str, str]
    book: list[Arrival]
    facts: list[Fact]
    jobs: dict[str, Json]
    runs: dict[str, list[Json]]
    views: dict[str, list[str]] = field(default_factory=dict)
    rebuilt: dict[str, list[str]] = field(default_factory=dict)
    replayed: tuple[int, str] = (0, "")
    """The exit code of `tidegate replay check`, and what it said."""
    small: list[Small] = field(default_factory=list)
    away: list[tuple[float, float]] = field(default_factory=list)
    """From when to when something was away that every job needs."""


def read_book(path: Path) -> list[Arrival]:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [Arrival(line["id"], line["run"], line["person"], line["at"], line["answer"]) for line in lines]


def read_facts(connection: psycopg.Connection[Any]) -> list[Fact]:
    """The whole log, in the order of its positions."""
    rows = connection.execute(
        "SELECT originator_id::text, originator_version, topic, recorded_at, state FROM log ORDER BY notification_id"
    )
    return [Fact(id, version, topic, at, json.loads(bytes(state))) for id, version, topic, at, state in rows]


def read_jobs(client: Client) -> dict[str, Json]:
    return {job["id"]: job for job in client.rows("/batch-jobs")}


def read_runs(client: Client, jobs: Sequence[str]) -> dict[str, list[Json]]:
    return {job: list(client.rows(f"/batch-jobs/{job}/runs")) for job in jobs}


def read_views(connection: psycopg.Connection[Any]) -> dict[str, list[str]]:
    """Every row of every view, as text."""
    return {
        view: [str(row[0]) for row in connection.execute(f"SELECT v::text FROM {view} v ORDER BY 1")] for view in VIEWS
    }
