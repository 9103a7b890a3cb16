"""Workflows of a few steps, and where their people came to."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from projections.run_rows import audit
from tests.support.product import Product

Json = dict[str, Any]

COUNTS = ("delivered", "skipped", "failed", "exited", "waiting", "in_progress", "pending")


def step(id: str, type: str, config: Json, **more: Any) -> Json:
    return {"id": id, "name": id, "type": type, "config": config, **more}


def chain(*steps: Json) -> Json:
    """Steps one after another."""
    edges = [{"from": a["id"], "to": b["id"]} for a, b in pairwise(steps)]
    return {"steps": list(steps), "edges": edges}


def in_window(**config: Any) -> Json:
    return step("window", "wait_until_time_window", {"start": "09:00", "end": "17:00", **config})


def standing(product: Product, job: Json) -> dict[str, int]:
    """Where everybody is, after a look whether the ledger says the same as the counters and nobody is missing."""
    found = audit(product.system.engine, job["id"])
    assert found == {name: job[name] for name in COUNTS}
    assert sum(found.values()) == job["enrolled"]
    return {name: count for name, count in found.items() if count}


def move_to(product: Product, wall: str, zone: str) -> None:
    """Let the clock show a wall time of the future."""
    instant = datetime.fromisoformat(wall).replace(tzinfo=ZoneInfo(zone))
    product.clock.advance(seconds=(instant - product.clock.now()).total_seconds())


def outcomes(product: Product, job_id: UUID, id: str) -> dict[str, int]:
    """What became of people at a step, by their last note of it."""
    found: dict[str, int] = {}
    for run in product.runs(job_id):
        for note in run["steps"][::-1]:
            if note["step"] == id:
                found[note["outcome"]] = found.get(note["outcome"], 0) + 1
                break
    return found
