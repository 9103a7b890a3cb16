"""Lists at 80 columns: what matters is whole, ids are short, statuses have colours."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from rich.console import Console

from engine.cli import batch, layout, runs, schedules, workflows
from engine.cli.output import Column, _pretty

ID = "01a22528-ad5{}-70d9-ad8c-000000000001"
FIELDS: dict[str, Any] = {
    "workflow_id": ID.format(9),
    "workflow_name": "A spring launch with a long name",
    "name": "A spring launch with a long name",
    "status": "completed_with_failures",
    "reason": "The breaker tripped: 4,069 of 1,000,000 attempts failed.",
    "requested_at": "2026-11-29T02:08:50.123456Z",
    "updated_at": "2026-11-29T02:08:50.123456Z",
    "next_occurrence": "2026-11-29T02:08:50Z",
    "rrule": "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=9;BYMINUTE=0",
    "timezone": "America/Argentina/Buenos_Aires",
    "trigger_type": "manual",
    "distinct_id": "somebody-with-a-long-name@example.com",
    "at_step": "wait-for-approval",
    "reached": True,
    "note": "Stopped until legal has looked at it.",
    "ceiling": 100_000,
    "version": 12,
    **dict.fromkeys(batch.COUNTS, 100_000),
}
LISTS = {"batch": batch.COLUMNS, "workflows": workflows.COLUMNS, "schedules": schedules.COLUMNS, "runs": runs.COLUMNS}


def drawn(columns: tuple[Column, ...], width: int, *, colour: bool = False) -> tuple[str, list[str]]:
    shown = [column for column in columns if column.eye]
    rows = [{**FIELDS, "id": ID.format(n), "run_id": f"{ID.format(1)}.{n}"} for n in (1, 2)]
    cells = [[_pretty(column.of(row)) for column in shown] for row in rows]
    table, left_out = layout.table([each.title for each in shown], [each.right for each in shown], cells, width)
    out = io.StringIO()
    Console(file=out, width=width, force_terminal=colour, color_system="standard" if colour else None).print(table)
    return out.getvalue(), left_out


@pytest.mark.parametrize("name", LISTS)
def test_at_80_columns_no_number_id_or_status_is_broken(name: str) -> None:
    text, left_out = drawn(LISTS[name], 80)
    assert max(map(len, text.splitlines())) <= 80
    assert "status" not in left_out
    assert "completed_with_failures" in text
    for cut in re.findall(r"(?<![\w,])[\d,]*,\d{0,2}(?![\d,])", text):
        assert not cut.strip(","), cut
    assert "100,000" in text or name != "batch"


def test_the_jobs_at_80_columns_say_their_workflow_and_how_many() -> None:
    _, left_out = drawn(batch.COLUMNS, 80)
    assert not {"job", "workflow", "status", "enrolled", "delivered", "failed"} & set(left_out)


def test_where_there_is_room_nothing_is_left_out() -> None:
    assert drawn(batch.COLUMNS, 200)[1] == []


def test_an_id_is_as_short_as_it_can_be_and_still_differ() -> None:
    def shown(*ids: str) -> list[str]:
        table, _ = layout.table(["job"], [False], [[id] for id in ids], 80)
        return [str(cell) for cell in table.columns[0].cells]

    one, other = ID.format(1), ID.format(2)
    assert shown(one, other) == [one[:13], other[:13]]
    assert shown(one, f"{one[:20]}9{one[21:]}") == [one[:21], f"{one[:20]}9"]
    assert shown(f"{one}.7", f"{one}.8") == [f"{one[:13]}.7", f"{one[:13]}.8"]


def test_a_status_has_a_colour_and_keeps_its_word() -> None:
    text, _ = drawn(workflows.COLUMNS, 120, colour=True)
    assert "\x1b[33mcompleted_with_failures" in text


def test_an_instant_is_written_one_way() -> None:
    assert _pretty("2026-11-29T02:08:50.123456Z") == "2026-11-29T02:08:50Z"
