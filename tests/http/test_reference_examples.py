"""Every example of the reference is accepted: by the model of its field, and by the product where that judges it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter

from engine.http.app import ROUTERS
from engine.http.schemas import Body
from tests.http.conftest import Door


def bodies(kind: type[BaseModel] = Body) -> Iterator[type[BaseModel]]:
    for each in kind.__subclasses__():
        yield each
        yield from bodies(each)


def examples(body: type[BaseModel]) -> dict[str, Any]:
    """The example of each field that has one, as the document shows it; an optional field's stands with its type."""
    found = {}
    for name, schema in body.model_json_schema()["properties"].items():
        for option in (schema, *schema.get("anyOf", ())):
            if option.get("examples"):
                (found[name],) = option["examples"]
    return found


@pytest.mark.parametrize("body", [body for body in bodies() if examples(body)])
def test_an_example_is_one_of_its_field(body: type[BaseModel]) -> None:
    for name, example in examples(body).items():
        adapter: TypeAdapter[Any] = TypeAdapter(body.model_fields[name].rebuild_annotation(), config={"strict": True})
        adapter.validate_python(example)


# What only the product judges, and what a request needs besides the examples.
ASKED: Mapping[str, Mapping[str, Any]] = {
    "create_workflow": {},
    "create_cohort": {"kind": "dynamic"},
    "preview_recurrence": {},
    "create_key": {"name": "reader"},
}


@pytest.mark.parametrize("operation", ASKED)
def test_the_examples_of_a_request_are_accepted_together(door: Door, operation: str) -> None:
    routes = {route.name: route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)}
    route = routes[operation]
    assert route.body_field is not None
    body = route.body_field.field_info.annotation
    assert isinstance(body, type)
    answer = door.client.post(route.path, json={**examples(body), **ASKED[operation]})
    assert answer.is_success, answer.text
