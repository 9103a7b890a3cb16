"""Step types that installed distributions bring: found, looked over, and refused by the name of who brought them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from aggregates.steps import catalogue
from aggregates.steps.third_party import UnusableStepTypeError
from tests.support.distributions import STEP, distribution

PING = STEP.format(id="ping")
SENDS = PING.replace("Finish,", "Deliver,").replace(
    "plan(self, config, now):", "plan(self, config, now):\n        from aggregates.templates import Document"
)
HOOK = SENDS.replace('Finish("ping")', 'Deliver("webhook", Document({}))')
MAIL = SENDS.replace('Finish("ping")', 'Deliver("email", Document({}))').replace(
    "examples", "external = True\n    examples", 1
)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory on the path of this process; what was imported from it is forgotten."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(tmp_path)
    catalogue.cache_clear()
    yield tmp_path
    monkeypatch.undo()
    catalogue.cache_clear()
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def refusal() -> str:
    with pytest.raises(UnusableStepTypeError) as refused:
        catalogue()
    return str(refused.value)


def test_a_distribution_adds_a_type_that_says_where_it_came_from(site: Path) -> None:
    distribution(site, "acme-ping", PING)
    data = catalogue()["ping"].as_data()
    assert (data["kind"], data["distribution"]) == ("action", "acme-ping 1.2")
    assert "delay" in catalogue()


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise RuntimeError('out of order')", "RuntimeError: out of order"),
        ("Pong = 5", "AttributeError"),
        ("Ping = 5", "It is not a subclass of StepType."),
        (PING.replace('id = "ping"', "pass"), "It has no id."),
        (PING.replace('id = "ping"', 'id = "Ping me"'), "Its id 'Ping me' is not made of lower-case letters"),
        (PING.replace("Config = PingConfig", ""), "Its Config is not a subclass of Config."),
        (PING.replace("examples = [{}]", "examples = []"), "It has no examples."),
        (PING.replace("[{}]", "[{'loud': 1}]"), "Its example is not valid: /examples/0/loud There is no such field"),
        (PING.replace("def plan", "def plans"), "TypeError"),
        (HOOK, "It sends something and is not external."),
        (MAIL, "It sends email and does not say sends_email."),
    ],
)
def test_a_type_that_cannot_be_used_is_refused_by_the_name_of_who_brought_it(site: Path, code: str, fault: str) -> None:
    distribution(site, "acme-ping", code)
    said = refusal()
    assert "The step type 'ping' (acme_ping:Ping) of acme-ping 1.2 cannot be used. " in said
    assert fault in said
    assert said.endswith("Correct or uninstall that package.")


def test_two_distributions_that_claim_one_id_are_both_named(site: Path) -> None:
    distribution(site, "acme-ping", PING)
    distribution(site, "zoo-ping", PING)
    assert refusal() == (
        "zoo-ping 1.2 brings a step type 'ping', which acme-ping 1.2 has already. Uninstall one of them."
    )


def test_no_distribution_replaces_what_ships(site: Path) -> None:
    distribution(site, "acme-delay", STEP.format(id="delay"))
    assert "acme-delay 1.2 brings a step type 'delay', which Tidegate itself has already." in refusal()
