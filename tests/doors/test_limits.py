"""A key's largest audience holds at every way to people, and at every door."""

from __future__ import annotations

import pytest

from commands.grants import SCOPES
from tests.doors.asks import ASKS
from tests.doors.doors import NO_SUCH_TOOL, Doors, Key, Mcp
from tests.doors.model import CONFIRMATIONS, confirmations
from tests.doors.stage import Stage

ACKNOWLEDGING = sorted(command for command in ASKS if confirmations(command) == CONFIRMATIONS)
STANDING = {"ApproveBatchJob": "held", "ResumeSchedule": "paused"}


def limited(stage: Stage, most: int) -> Key:
    system = stage.product.system
    with system.engine.begin() as connection:
        id, plain = system.keyring.create(
            connection,
            stage.product.project_id,
            name="limited",
            scopes=sorted(SCOPES),
            limits={"max_audience": most},
            now=system.clock.now(),
        )
    return Key(id, plain, SCOPES, False)


@pytest.mark.parametrize("command", ACKNOWLEDGING)
def test_a_key_reaches_no_more_people_than_it_may(command: str, doors: Doors, stage: Stage) -> None:
    status = STANDING.get(command, "active")
    place = stage.target(command, status, stage.requester, fresh=False)
    less, enough = limited(stage, place.people - 1), limited(stage, place.people)
    for door in doors:
        if isinstance(door, Mcp) and command == "ApproveBatchJob":
            continue  # there is no tool for it
        refused = ASKS[command](place.id, stage.proof(command, place, "right", less, fresh=True))
        before = stage.traces()
        assert door.ask(refused, less).code == "audience.over_limit", door.name
        assert stage.traces() == before
        target = stage.target(command, status, stage.requester, fresh=True)
        passed = ASKS[command](target.id, stage.proof(command, target, "right", enough, fresh=True))
        assert door.ask(passed, enough).code in {"ok", "held"}, door.name
        assert stage.traces() > before
    assert doors.mcp.ask(ASKS["ApproveBatchJob"](place.id, {}), less).code == NO_SUCH_TOOL
