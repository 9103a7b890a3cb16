"""What a template is rendered with."""

from __future__ import annotations

from typing import Any

ANN = {"id": 7, "distinct_id": "ann", "email": "ann@example.com", "properties": {"first_name": "Ann", "n": 5}}


SCOPE: dict[str, Any] = {
    "person": ANN,
    "variables": {"path": "x"},
    "inputs": {},
    "workflow": {"id": "w", "name": "Spring"},
    "run": {"id": "r"},
}


def scope(**properties: Any) -> dict[str, Any]:
    return SCOPE | {"person": ANN | {"properties": properties}}
