"""The catalogue of step types on the command line."""

from __future__ import annotations

import json

import pytest

from aggregates.steps import catalogue
from tests.cli.conftest import Tidegate, on_terminal
from tests.support.product import Product

pytestmark = pytest.mark.usefixtures("server")


def test_the_list_names_every_step_type_and_where_it_came_from(tidegate: Tidegate) -> None:
    rows = tidegate("components", "list").rows
    assert [row[0] for row in rows] == sorted(catalogue())
    assert {row[6] for row in rows} == {"built in"}
    assert tidegate("components", "list", "--json").json["data"][0]["id"] == "approval"


def test_one_of_them_is_shown_whole(tidegate: Tidegate) -> None:
    assert tidegate("components", "show", "email", "--json").json == catalogue()["email"].as_data()
    rows = tidegate("components", "show", "email").rows
    assert [json.loads(row[1]) for row in rows if row[0] == "example"] == list(catalogue()["email"].examples)
    assert [json.loads(row[1]) for row in rows if row[0] == "config schema"] == [
        catalogue()["email"].as_data()["config_schema"]
    ]


def test_on_a_terminal_the_fields_of_the_config_are_told_instead_of_the_schema(product: Product, server: str) -> None:
    environment = {"TIDEGATE_URL": server, "TIDEGATE_API_KEY": str(product.owner_key)}
    code, shown = on_terminal("components", "show", "delay", env=environment)
    assert code == 0
    assert "config.duration" in shown and "optional; string. ISO 8601" in shown
    assert "$defs" not in shown and "config schema" not in shown


def test_an_unknown_one_is_not_found_and_the_close_ones_are_named(tidegate: Tidegate) -> None:
    said = tidegate("components", "show", "delayed")
    assert (said.code, said.out) == (3, "")
    assert "component.not_found: No such step type. Close to it: delay." in said.err
