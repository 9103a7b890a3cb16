"""A workflow's content and a cohort's conditions as the reference shows them."""

from __future__ import annotations

EXAMPLE_CONDITIONS = [{"type": "person", "key": "plan", "operator": "exact", "value": ["pro", "team"]}]
EXAMPLE_TRIGGER = {"type": "batch", "filters": {"properties": EXAMPLE_CONDITIONS}}
EXAMPLE_STEPS = [
    {"id": "wait", "name": "Wait", "type": "delay", "config": {"duration": "P1D"}},
    {"id": "note", "name": "Note", "type": "capture", "config": {"message": "Hello {{ person.email }}"}},
]
EXAMPLE_EDGES = [{"from": "wait", "to": "note", "branch": "next"}]
EXAMPLE_VARIABLES = [{"key": "discount", "type": "number", "default": 10}]
