"""Who counts as one when somebody approves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aggregates.base import Principal
from aggregates.lineage import heads_of, one_head, recorded_heads
from tests.support.aggregates import SOMEBODY, meta

ADA = replace(SOMEBODY, id="a", owner="ada", chain=("root", "middle"))


@pytest.mark.parametrize(
    ("other", "one"),
    [
        (replace(SOMEBODY, id="a"), True),
        (replace(SOMEBODY, id="middle"), True),
        (replace(SOMEBODY, id="z", owner="ada"), True),
        (replace(SOMEBODY, id="z", chain=("root",)), True),
        (replace(SOMEBODY, id="z", chain=("a",)), True),
        (replace(SOMEBODY, id="z", on_behalf_of="middle"), True),
        (replace(SOMEBODY, id="z", on_behalf_of="ada"), True),
        (replace(SOMEBODY, id="z", owner="grace", chain=("other",)), False),
        (replace(SOMEBODY, id="z"), False),
    ],
)
def test_two_are_one_when_anything_behind_them_is_the_same(other: Principal, one: bool) -> None:
    assert one_head(heads_of(ADA), heads_of(other)) is one
    assert one_head(heads_of(other), heads_of(ADA)) is one


def test_an_event_knows_who_stands_behind_it() -> None:
    stamped = meta(principal=replace(ADA, on_behalf_of="b")).stamp()
    assert recorded_heads(stamped) == {"a", "b", "ada", "root", "middle"}


def test_an_older_event_knows_who_asked_and_for_whom() -> None:
    assert recorded_heads({"actor": "a"}) == {"a"}
    assert recorded_heads({"actor": "a", "on_behalf_of": "b"}) == {"a", "b"}


def test_nobody_is_one_with_somebody_for_what_both_lack() -> None:
    assert not one_head(heads_of(replace(SOMEBODY, id="a")), heads_of(replace(SOMEBODY, id="b")))
