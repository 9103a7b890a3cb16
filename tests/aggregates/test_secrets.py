"""How a template names a secret, and what it may not do with one."""

from __future__ import annotations

from typing import Any

import pytest

from aggregates.places import Place
from aggregates.secrets import MASKED, Secret, SecretsInUse, is_credential
from aggregates.templates import Document, Template
from aggregates.workflow.definition import Definition
from tests.support.product import EVERYONE

SECRETS = {"TOKEN": "s3cret value", "OTHER": "another value"}


def codes(source: str, place: Place = "text") -> list[str]:
    return [problem.code for problem in Template.parse(source, "", place)[1]]


@pytest.mark.parametrize(
    "clever",
    [
        "{{ secrets.TOKEN | upcase }}",
        "{{ secrets.TOKEN | slice: 0, 1 }}",
        "{% if secrets.TOKEN contains 'a' %}yes{% endif %}",
        "{% assign s = secrets.TOKEN %}{{ s }}",
        "{% for s in secrets %}{{ s }}{% endfor %}",
        "{{ secrets }}",
        "{{ secrets.token }}",
        "{{ secrets.TOKEN.size }}",
        "{{ secrets.size }}",
        "{{ secrets[variables.name] }}",
        "{{ secrets[person.properties.x].y }}",
        "{{ secrets.TOKEN }}{% if variables.a %}{% endif %}",
        "{{ variables.a | append: secrets.TOKEN }}",
        "{{ secrets.TOO_LONG" + "X" * 64 + " }}",
    ],
)
def test_anything_but_the_plain_name_is_refused(clever: str) -> None:
    assert "template.secrets_refused" in codes(clever)


@pytest.mark.parametrize(
    "source",
    [
        "{% if false %}{% assign secrets = 1 %}{% endif %}{{ secrets.TOKEN }}",
        "{% assign secrets = variables %}{{ secrets.TOKEN }}",
        "{{ ['secrets'].TOKEN }}",
        "{{ ['secrets']['TOKEN'] }}",
        "{{ [variables.root].TOKEN }}",
        "{{ [variables.root][variables.name] }}",
        "{% capture secrets %}{% endcapture %}{{ secrets.TOKEN | append: '' }}",
        "{% for secrets in variables.list %}{% endfor %}{{ secrets.TOKEN }}",
    ],
)
def test_no_other_way_leads_to_a_secret_that_the_template_does_not_say_it_names(source: str) -> None:
    template, problems = Template.parse(source)
    if template is None:
        assert problems
        return
    scope = {"variables": {"root": "secrets", "name": "TOKEN", "list": [1]}, "secrets": SECRETS}
    if "TOKEN" not in template.secrets:
        assert SECRETS["TOKEN"] not in template.render(scope)


@pytest.mark.parametrize(
    ("place", "source", "sent", "masked"),
    [
        ("line", "Bearer {{ secrets.TOKEN }}", "Bearer s3cret value", "Bearer ***"),
        ("url", "https://a.b/{{ secrets.TOKEN }}", "https://a.b/s3cret%20value", "https://a.b/***"),
        ("text", "{{secrets.TOKEN}} {{secrets.OTHER}}", "s3cret value another value", "*** ***"),
    ],
)
def test_a_secret_is_resolved_where_it_is_given_and_masked_elsewhere(
    place: Place, source: str, sent: str, masked: str
) -> None:
    template = Template.of(source, place)
    assert template.render({"secrets": SECRETS}) == sent
    assert template.render({"secrets": MASKED}) == masked
    assert template.secrets and not template.constant


def test_a_document_knows_every_secret_in_it() -> None:
    document = Document.of({"a": ["{{ secrets.TOKEN }}"], "b": {"c": "{{ secrets.OTHER }}", "d": 1}})
    assert document.secrets == {"TOKEN", "OTHER"}


def test_what_a_person_or_a_variable_says_is_never_a_template() -> None:
    template = Template.of("{{ variables.a }} {{ person.properties.b }}")
    scope = {"variables": {"a": "{{ secrets.TOKEN }}"}, "person": {"properties": {"b": "{{ secrets.TOKEN }}"}}}
    assert template.render({**scope, "secrets": SECRETS}) == "{{ secrets.TOKEN }} {{ secrets.TOKEN }}"


NAMED = "{{ secrets.TOKEN }}"
ELSEWHERE: list[tuple[str, dict[str, Any]]] = [
    ("capture", {"message": NAMED}),
    ("capture", {"payload": {"a": NAMED}}),
    ("email", {"subject": NAMED, "text": "x"}),
    ("email", {"subject": "x", "text": NAMED}),
    ("email", {"subject": "x", "text": "x", "html": NAMED}),
    ("email", {"subject": "x", "text": "x", "to": NAMED}),
    ("set_variables", {"variables": {"a": NAMED}}),
]


@pytest.mark.parametrize(("type", "config"), ELSEWHERE)
def test_a_step_that_is_no_webhook_takes_no_secret(type: str, config: dict[str, Any]) -> None:
    step = {"id": "s", "name": "S", "type": type, "config": config}
    variables = [{"key": "a", "type": "string", "default": ""}]
    _, problems = Definition.parse({"trigger": EVERYONE, "steps": [step], "variables": variables})
    assert [problem.code for problem in problems] == ["template.secrets_refused"]


@pytest.mark.parametrize(
    "header",
    "Authorization authorization Cookie X-Api-Key x-api-key API-Key Apikey X-Auth-Token X-Access-Token Private-Token "
    "X-Vault-Token X-Shopify-Access-Token Ocp-Apim-Subscription-Key X-Auth-Key X-Client-Secret Proxy-Authorization "
    "X-Password X_Api_Key".split(),
)
def test_a_header_that_carries_credentials_is_known_by_its_name(header: str) -> None:
    assert is_credential(header.replace("_", "-"))


@pytest.mark.parametrize("header", ["Accept", "X-Campaign", "Content-Language", "X-Key", "X-Author", "X-Keyboard"])
def test_any_other_header_does_not(header: str) -> None:
    assert not is_credential(header)


def test_a_secret_that_comes_back_is_masked_also_when_it_was_encoded() -> None:
    in_use = SecretsInUse({"TOKEN": Secret("s3cret value")})
    assert in_use.masked("id s3cret value, s3cret%20value, czNjcmV0IHZhbHVl.") == "id ***, ***, ***."
    accented = SecretsInUse({"TOKEN": Secret("sécret valué")})
    assert accented.masked("sécret valué".encode().decode("latin-1")) == "***"
    assert in_use.masked(None) is None
