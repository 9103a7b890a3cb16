"""Every step type plans, purely, what happens to the people who stand there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aggregates.steps import catalogue
from aggregates.steps.base import Branch, Deliver, Finish, Park, Record
from aggregates.steps.config import parse_config

NOW = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
SCOPE: dict[str, Any] = {
    "person": {"id": 1, "distinct_id": "a/b", "email": "ann@example.com", "properties": {"first_name": "Ann\r\nX: y"}}
}


def plan(kind: str, config: dict[str, Any]) -> Any:
    step_type = catalogue()[kind]
    parsed, problems = parse_config(step_type, config, "")
    assert parsed is not None and not problems, problems
    return step_type.plan(parsed, NOW)


def test_the_catalogue_holds_the_types_that_ship() -> None:
    sending, deciding = {"capture", "webhook", "email"}, {"conditional_branch", "random_split", "set_variables", "exit"}
    assert sending | deciding | {"delay", "wait_until_time_window", "approval"} <= set(catalogue())


def test_capture_records_what_would_have_been_sent() -> None:
    record = plan("capture", {"channel": "sms {{ x }}", "payload": {"name": ["{{ person.email }}"]}})
    assert isinstance(record, Record) and not record.constant
    assert record.payload.render(SCOPE) == {"channel": "sms {{ x }}", "payload": {"name": ["ann@example.com"]}}


def test_capture_without_templates_is_the_same_for_everybody() -> None:
    assert plan("capture", {"channel": "sms", "message": "Hello"}).constant
    assert plan("capture", {}).constant
    assert not plan("capture", {"message": "{{ person.email }}"}).constant


@pytest.mark.parametrize(
    ("config", "length"),
    [
        ({"duration": "PT5M"}, timedelta(minutes=5)),
        ({"duration": "P1DT12H30M5S"}, timedelta(days=1, hours=12, minutes=30, seconds=5)),
        ({"duration": "P2W"}, timedelta(weeks=2)),
        ({"days": 1, "hours": 2}, timedelta(days=1, hours=2)),
        ({"seconds": 1}, timedelta(seconds=1)),
        ({"days": 365}, timedelta(days=365)),
    ],
)
def test_a_delay_parks_until_exactly_then(config: dict[str, Any], length: timedelta) -> None:
    assert plan("delay", config) == Park(NOW + length)


@pytest.mark.parametrize(
    "duration", ["P1Y", "P1M", "1D", "P", "PT", "P1DT", "PT1.5H", "p1d", "P-1D", "P1D ", "P٣D", ""]
)
def test_a_duration_without_a_fixed_meaning_is_refused(duration: str) -> None:
    config, problems = parse_config(catalogue()["delay"], {"duration": duration}, "")
    assert config is None and problems[0].code == "delay.invalid"


def test_a_branch_asks_in_order_and_leaves_the_rest_to_else() -> None:
    condition = {"type": "person", "key": "plan", "operator": "exact", "value": "pro"}
    arms = [{"name": "pro", "filters": {"properties": [condition]}}, {"name": "all", "filters": {"properties": []}}]
    branch = plan("conditional_branch", {"conditions": arms})
    assert isinstance(branch, Branch) and branch.otherwise == "else"
    assert [name for name, _ in branch.arms] == ["pro", "all"]
    assert [audience.everyone for _, audience in branch.arms] == [False, True]


def test_a_webhook_request_is_rendered_safely_for_each_place() -> None:
    deliver = plan(
        "webhook",
        {
            "url": "https://example.com/{{ person.distinct_id }}?n={{ person.properties.first_name }}",
            "headers": {"X-Name": "{{ person.properties.first_name }}"},
            "body": {"name": "{{ person.properties.first_name }}", "n": 1},
            "on_unknown": "hold",
            "max_attempts": 2,
        },
    )
    assert isinstance(deliver, Deliver)
    assert (deliver.channel, deliver.on_unknown, deliver.max_attempts) == ("webhook", "hold", 2)
    assert deliver.request.render(SCOPE) == {
        "method": "POST",
        "url": "https://example.com/a%2Fb?n=Ann%0D%0AX%3A%20y",
        "headers": {"X-Name": "Ann X: y"},
        "timeout_seconds": 10,
        "on_unknown": "hold",
        "max_attempts": 2,
        "body": {"name": "Ann\r\nX: y", "n": 1},
    }


def test_an_email_goes_to_the_person_unless_it_says_otherwise() -> None:
    deliver = plan("email", {"subject": "Hi {{ person.properties.first_name }}", "text": "a", "html": "<p>b</p>"})
    request = deliver.request.render(SCOPE)
    assert request["to"] == "ann@example.com" and request["subject"] == "Hi Ann X: y" and "from" not in request
    assert (
        plan("email", {"subject": "a", "text": "b", "from": "Ann <a@b.c>"}).request.render(SCOPE)["from"]
        == "Ann <a@b.c>"
    )


@pytest.mark.parametrize("name", ["=?utf-8?q?a=0D=0ABcc:_x?=", "Ann =?utf-8?b?YQ==?=", "Ann =?"])
@pytest.mark.parametrize("sender", ["{} <a@b.c>", "=?a@b.c"])
def test_a_sender_that_looks_encoded_is_refused(name: str, sender: str) -> None:
    written = {"subject": "a", "text": "b", "from": sender.format(name)}
    config, problems = parse_config(catalogue()["email"], written, "")
    assert config is None and problems[0].code == "email.sender_invalid"


def test_exit_finishes_with_its_reason_and_has_no_way_out() -> None:
    assert plan("exit", {"reason": "customer"}) == Finish("customer")
    exit_type = catalogue()["exit"]
    assert exit_type.ports(exit_type.Config()) == ()
