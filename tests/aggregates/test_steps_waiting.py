"""Steps that wait for an hour of the day or for a human: when they let people go on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aggregates.steps import catalogue
from aggregates.steps.base import Advance, Ask, ByProperty, Park
from aggregates.steps.config import parse_config
from aggregates.workflow.definition import Definition

WINDOW = {"start": "09:00", "end": "17:00", "timezone": "Europe/Stockholm"}
OWN = {"start": "09:00", "end": "17:00", "timezone_property": "timezone", "fallback_timezone": "UTC"}
APPROVAL = {"instructions": "Right?", "expires_after": "P3D", "on_expiry": "rejected"}


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def plan(kind: str, config: dict[str, Any], now: datetime) -> Any:
    step_type = catalogue()[kind]
    parsed, problems = parse_config(step_type, config, "")
    assert parsed is not None and not problems, problems
    return step_type.plan(parsed, now)


def found(kind: str, config: dict[str, Any]) -> list[tuple[str, str]]:
    return [(p.code, p.pointer) for p in parse_config(catalogue()[kind], config, "")[1]]


@pytest.mark.parametrize(
    ("config", "now", "opens"),
    [
        # 4 March 2026 is a Wednesday; Stockholm is an hour ahead of UTC in winter, two in summer.
        ({}, "2026-03-04T08:00", None),
        ({}, "2026-03-04T15:59:59", None),
        ({}, "2026-03-04T16:00", "2026-03-05T08:00"),
        ({}, "2026-03-04T07:59", "2026-03-04T08:00"),
        ({"days": ["mon", "fri"]}, "2026-03-04T10:00", "2026-03-06T08:00"),
        ({"days": ["wed"]}, "2026-03-04T16:00", "2026-03-11T08:00"),
        ({"days": ["wed"]}, "2026-03-03T23:30", "2026-03-04T08:00"),
        # The wall time stays when the clocks change.
        ({}, "2026-03-28T20:00", "2026-03-29T07:00"),
        # Over midnight: the day is the one on which it opens.
        ({"start": "22:00", "end": "06:00", "days": ["fri"]}, "2026-03-07T04:59", None),
        ({"start": "22:00", "end": "06:00", "days": ["fri"]}, "2026-03-07T05:00", "2026-03-13T21:00"),
        ({"start": "22:00", "end": "06:00", "days": ["fri"]}, "2026-03-06T04:00", "2026-03-06T21:00"),
        # Until midnight, and the whole day.
        ({"start": "09:00", "end": "24:00"}, "2026-03-04T22:59", None),
        ({"start": "09:00", "end": "24:00"}, "2026-03-04T23:00", "2026-03-05T08:00"),
        ({"start": "00:00", "end": "24:00", "days": ["sat"]}, "2026-03-06T22:59", "2026-03-06T23:00"),
        ({"start": "00:00", "end": "24:00", "days": ["sat"]}, "2026-03-07T22:59", None),
        ({"start": "00:00", "end": "24:00"}, "2026-03-07T23:00", None),
        # Stockholm has no 02:00 to 03:00 on 29 March: the first instant after the gap is 01:00 UTC.
        ({"start": "02:30", "end": "05:00"}, "2026-03-29T00:30", "2026-03-29T01:00"),
        ({"start": "02:30", "end": "05:00"}, "2026-03-29T01:00", None),
        ({"start": "01:00", "end": "02:30"}, "2026-03-29T00:59", None),
        ({"start": "01:00", "end": "02:30"}, "2026-03-29T01:00", "2026-03-29T23:00"),
        # A window that lies wholly in the gap does not open on that day.
        ({"start": "02:15", "end": "02:45"}, "2026-03-29T00:30", "2026-03-30T00:15"),
        # It has 02:00 to 03:00 twice on 25 October: the first of the two counts.
        ({"start": "02:30", "end": "05:00"}, "2026-10-25T00:00", "2026-10-25T00:30"),
        ({"start": "02:30", "end": "05:00"}, "2026-10-25T01:10", None),
        ({"start": "01:00", "end": "02:30"}, "2026-10-25T00:29", None),
        ({"start": "01:00", "end": "02:30"}, "2026-10-25T00:30", "2026-10-26T00:00"),
        # Half an hour of daylight saving, and a gap at midnight.
        ({"start": "02:10", "end": "05:00", "timezone": "Australia/Lord_Howe"}, "2026-10-03T15:20", "2026-10-03T15:30"),
        ({"start": "00:10", "end": "05:00", "timezone": "Africa/Cairo"}, "2026-04-23T21:00", "2026-04-23T22:00"),
    ],
)
def test_a_window_lets_people_through_while_it_is_open(config: dict[str, Any], now: str, opens: str | None) -> None:
    expected = Advance() if opens is None else Park(utc(opens), again=True)
    assert plan("wait_until_time_window", {**WINDOW, **config}, utc(now)) == expected


def test_an_opening_is_never_in_the_past_and_lets_people_through_when_it_comes() -> None:
    for hours in range(0, 24 * 400, 5):
        now = utc("2026-01-01T00:07") + timedelta(hours=hours)
        waiting = plan("wait_until_time_window", {**WINDOW, "start": "02:30", "end": "02:50"}, now)
        if isinstance(waiting, Park):
            assert now < waiting.until < now + timedelta(days=3)
            again = plan("wait_until_time_window", {**WINDOW, "start": "02:30", "end": "02:50"}, waiting.until)
            assert again == Advance()


@pytest.mark.parametrize(
    ("name", "opens"),
    [
        ("Europe/Stockholm", None),
        ("America/New_York", "2026-03-04T14:00"),
        ("Asia/Tokyo", "2026-03-05T00:00"),
        *[
            (name, "2026-03-04T09:00")
            for name in (None, "", "Mars/Base", "Europe", "../../etc/passwd", "/etc/localtime", "x" * 5000, "a\0b", "7")
        ],
    ],
)
def test_everybody_has_a_zone_of_their_own_or_the_fallback(name: str | None, opens: str | None) -> None:
    by_property = plan("wait_until_time_window", OWN, utc("2026-03-04T08:30"))
    assert isinstance(by_property, ByProperty) and by_property.key == "timezone"
    assert by_property.plan_for(name) == (Advance() if opens is None else Park(utc(opens), again=True))


@pytest.mark.parametrize(
    ("config", "problems"),
    [
        ({**WINDOW, "start": "9:00"}, [("config.invalid", "/start")]),
        ({**WINDOW, "start": "24:00", "end": "25:00"}, [("config.invalid", "/start"), ("config.invalid", "/end")]),
        ({**WINDOW, "start": "09:00\n"}, [("config.invalid", "/start")]),
        ({**WINDOW, "end": "09:00"}, [("window.empty", "/end")]),
        ({**WINDOW, "days": []}, [("config.invalid", "/days")]),
        ({**WINDOW, "days": ["mon", "monday"]}, [("config.invalid", "/days/1")]),
        ({**WINDOW, "days": ["mon", "tue", "mon"]}, [("window.day_repeated", "/days/2")]),
        ({**WINDOW, "timezone": "Mars/Base"}, [("timezone.unknown", "/timezone")]),
        ({**OWN, "fallback_timezone": "CET/Nowhere"}, [("timezone.unknown", "/fallback_timezone")]),
        ({"start": "09:00", "end": "10:00"}, [("window.zone_unclear", "/timezone")]),
        ({**WINDOW, **OWN}, [("window.zone_unclear", "/timezone")]),
        ({**WINDOW, "fallback_timezone": "UTC"}, [("window.zone_unclear", "/fallback_timezone")]),
        ({**OWN, "fallback_timezone": None}, [("field.missing", "/fallback_timezone")]),
        ({**OWN, "timezone_property": ""}, [("config.invalid", "/timezone_property")]),
        ({**OWN, "timezone_property": "a\0"}, [("condition.key_invalid", "/timezone_property")]),
        ({"timezone": "UTC"}, [("field.missing", "/start"), ("field.missing", "/end")]),
        (
            {"start": "x", "end": "y", "days": ["x"], "timezone": "z"},
            [
                ("config.invalid", "/days/0"),
                ("config.invalid", "/start"),
                ("config.invalid", "/end"),
                ("timezone.unknown", "/timezone"),
            ],
        ),
    ],
)
def test_a_window_that_means_nothing_is_refused(config: dict[str, Any], problems: list[tuple[str, str]]) -> None:
    assert found("wait_until_time_window", config) == problems


@pytest.mark.parametrize(
    ("length", "expected"),
    [("P3D", timedelta(days=3)), ({"days": 3}, timedelta(days=3)), ({"duration": "PT1H"}, timedelta(hours=1))],
)
def test_an_approval_asks_until_it_expires(length: Any, expected: timedelta) -> None:
    now = utc("2026-03-04T08:00")
    assert plan("approval", {**APPROVAL, "expires_after": length}, now) == Ask(now + expected, "rejected")


@pytest.mark.parametrize(
    ("config", "problems"),
    [
        ({**APPROVAL, "instructions": ""}, [("config.invalid", "/instructions")]),
        ({**APPROVAL, "on_expiry": "maybe"}, [("config.invalid", "/on_expiry")]),
        ({**APPROVAL, "expires_after": "3 days"}, [("delay.invalid", "/expires_after")]),
        ({**APPROVAL, "expires_after": {"days": 0}}, [("delay.out_of_range", "/expires_after")]),
        ({**APPROVAL, "expires_after": {"days": 366}}, [("delay.out_of_range", "/expires_after")]),
        ({**APPROVAL, "expires_after": {}}, [("delay.invalid", "/expires_after")]),
        ({**APPROVAL, "expires_after": {"days": "3"}}, [("config.invalid", "/expires_after/days")]),
        ({**APPROVAL, "expires_after": 3}, [("config.invalid", "/expires_after")]),
        (
            {},
            [("field.missing", "/instructions"), ("field.missing", "/expires_after"), ("field.missing", "/on_expiry")],
        ),
    ],
)
def test_an_approval_that_nobody_can_answer_is_refused(config: dict[str, Any], problems: list[tuple[str, str]]) -> None:
    assert found("approval", config) == problems


def test_an_approval_shows_both_ways_to_write_a_length() -> None:
    length = catalogue()["approval"].as_data()["config_schema"]["properties"]["expires_after"]
    assert {"type": "string"} in length["anyOf"] and len(length["anyOf"]) == 2


def test_both_answers_lead_somewhere() -> None:
    raw = {
        "trigger": {"type": "batch", "filters": {"properties": []}},
        "steps": [{"id": "ask", "type": "approval", "config": APPROVAL}, {"id": "note", "type": "capture"}],
        "edges": [{"from": "ask", "to": "note", "branch": "approved"}],
    }
    problems = Definition.parse(raw)[1]
    assert [(p.code, p.pointer, p.got) for p in problems] == [("branch.missing", "/steps/0", "rejected")]
