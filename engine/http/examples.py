"""A workflow's content as the reference shows it."""

from __future__ import annotations

EXAMPLE_TRIGGER = {
    "type": "batch",
    "filters": {"properties": [{"type": "person", "key": "plan", "operator": "exact", "value": ["pro", "team"]}]},
}
EXAMPLE_STEPS = [
    {"id": "wait", "name": "Wait", "type": "delay", "config": {"duration": "P1D"}},
    {"id": "note", "name": "Note", "type": "capture", "config": {"message": "Hello {{ person.email }}"}},
]
EXAMPLE_EDGES = [{"from": "wait", "to": "note", "branch": "next"}]
EXAMPLE_VARIABLES = [{"key": "discount", "type": "number", "default": 10}]
