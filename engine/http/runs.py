"""Runs: one person's path in a batch job."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from engine.http.caller import Here, PathId, Position
from engine.http.route import StrictRoute, grant
from engine.http.rows import RunRow

router = APIRouter(prefix="/api/v1/runs", tags=["runs"], route_class=StrictRoute)


@router.get("/{run_id}", response_model=RunRow, openapi_extra=grant("runs.get"))
def get_run(caller: Here, run_id: PathId, min_position: Position = 0) -> dict[str, Any]:
    """One run; its id is `<batch job id>.<person id>`."""
    return caller.reads_at(min_position).runs.get(caller.principal, run_id)
