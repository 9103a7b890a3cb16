"""Templates know what they read, give one text for anybody, and cannot be made to harm."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregates.allowance import Allowance
from aggregates.errors import DomainError
from aggregates.liquid import BoundedTemplate, environment
from aggregates.liquid_filters import NOW
from aggregates.numbers import Number
from aggregates.places import Place
from aggregates.templates import Document, Template
from tests.support.scopes import SCOPE, scope


def rendered(source: str, place: Place = "text", **properties: Any) -> str:
    return Template.of(source, place).render(scope(**properties) if properties else SCOPE)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("plain", "plain"),
        ("Hi {{ person.properties.first_name }}!", "Hi Ann!"),
        ("{{ person.properties.missing }}|{{ person.properties.a.b.c }}", "|"),
        ("{{ person.properties['first_name'] | upcase }}", "ANN"),
        ("{{ person.properties.missing | default: 'friend' }}", "friend"),
        ("{% if person.properties.n > 4 %}many{% else %}few{% endif %}", "many"),
        ("{% if person.properties.missing > 4 %}many{% else %}few{% endif %}", "few"),
        ("{% for i in (1..3) %}{{ i }}{% endfor %}", "123"),
        ("{{ '2026-03-04' | date: '%d %B %Y' }}", "04 March 2026"),
        ("{{ 2.5 | round }} {{ 2.345 | round: 2 }} {{ -2.5 | round }}", "3 2.35 -3"),
        ("{{ workflow.name }} {{ run.id }} {{ variables.path }} {{ person.id }}", "Spring r x 7"),
        ("{% raw %}{{ now }}{% endraw %}", "{{ now }}"),
    ],
)
def test_a_template_renders(source: str, text: str) -> None:
    assert rendered(source) == text


@pytest.mark.parametrize(
    ("source", "needs"),
    [
        ("{{ person.properties.a }} {{ person.properties.b.c }}", ("a", "b")),
        ("{{ person.email }}", ()),
        ("{{ person.properties.a | default: 'x' }}", ()),
        ("{{ person.properties.a | default: 'x' }}{{ person.properties.a }}", ("a",)),
        ("{{ 'x' | append: person.properties.a }}", ("a",)),
        ("{% for x in person.properties.list %}{{ x }}{% endfor %}", ("list",)),
        ("{% assign y = person.properties.a %}{{ y }}", ("a",)),
        ("{% case person.properties.a %}{% when person.properties.b %}{% endcase %}", ("a", "b")),
        ("{{ person.properties[person.properties.a] }}", ("a",)),
    ],
)
def test_the_needed_properties_are_found_without_rendering(source: str, needs: tuple[str, ...]) -> None:
    assert Template.of(source).needs == needs


@pytest.mark.parametrize(
    "source",
    [
        "{% assign x = 'xxxxxxxxxx' %}" + "{% assign x = x | append: x %}" * 20 + "{{ x }}",
        "{% for a in (1..100) %}{% for b in (1..100) %}x{% endfor %}{% endfor %}",
        "{% for a in (1..600) %}{% endfor %}{% for a in (1..600) %}{% endfor %}",
        "{{ person.properties.long | replace: '', person.properties.long }}",
        "{{ person.properties.list | join: person.properties.long }}",
        "{{ person.properties.big" + " | times: person.properties.big" * 50 + " }}",
        "{{ person.properties.long | split: '' | uniq }}",
        "{{ '2026-01-01' | date: person.properties.width }}",
        "{{ person.properties.long | base64_decode }}",
    ],
)
def test_a_template_that_grows_without_bound_fails_for_that_person_only(source: str) -> None:
    with pytest.raises(DomainError) as refusal:
        rendered(source, long="y" * 30_000, list=["x"] * 900, big=2**50, width="%999999999d")
    assert refusal.value.code in {"template.failed", "template.over_limit"}
    assert "yyyy" not in str(refusal.value.details) + refusal.value.message


def test_html_is_escaped_and_cannot_be_switched_off() -> None:
    assert rendered("<b>{{ person.properties.x }}</b>", "html", x="<script>") == "<b>&lt;script&gt;</b>"
    assert rendered("{{ person.properties.x | escape }}", "html", x="<") == "&lt;"
    assert Template.parse("{{ person.properties.x | safe }}", "", "html")[1][0].code == "template.filter_unknown"


@given(st.text())
@settings(deadline=None)
def test_a_value_stays_inside_its_part_of_a_url(value: str) -> None:
    template = Template.of("https://example.com/u/{{ person.properties.x }}/end?q={{ person.properties.x }}&z=1", "url")
    if value in {".", ".."}:
        with pytest.raises(DomainError):
            template.render(scope(x=value))
        return
    try:
        value.encode()
    except UnicodeEncodeError:
        return
    parts = urlsplit(template.render(scope(x=value)))
    assert parts.hostname == "example.com" and parts.path.endswith("/end") and parts.path.count("/") == 3
    assert parse_qs(parts.query, keep_blank_values=True) == {"q": [value.replace("\0", "")], "z": ["1"]}


@pytest.mark.parametrize(
    "rest", ["{{ V }}", "{{ V | url_encode }}", "{{ V | upcase }}", "%2e{{ D }}", ".{{ D }}", "{{ D }}{{ D }}"]
)
def test_no_value_climbs_the_path_of_a_url(rest: str) -> None:
    for tail in ("", "/end", "?q=1"):
        source = f"https://example.com/u/{rest}{tail}".replace("V", "person.properties.v")
        with pytest.raises(DomainError) as refusal:
            Template.of(source.replace("D", "person.properties.d"), "url").render(scope(v="..", d="."))
        assert refusal.value.code == "template.failed"
    assert rendered("https://example.com/a..b/{{ person.properties.v }}x?p=..", "url", v="..") == (
        "https://example.com/a..b/..x?p=.."
    )


def test_a_value_that_was_encoded_on_purpose_is_not_encoded_twice() -> None:
    assert rendered("https://a.b/{{ person.properties.x | url_encode }}", "url", x="a b") == "https://a.b/a%20b"


def test_a_line_stays_one_line() -> None:
    assert rendered("Hi {{ person.properties.x }}", "line", x="x\r\nBcc: y\u2028z") == "Hi x Bcc: y z"


VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.floats(-1e9, 1e9)
    | st.text()
    | st.lists(st.text(max_size=3), max_size=3)
)


@given(st.dictionaries(st.sampled_from(["a", "b"]), VALUES | st.dictionaries(st.text(max_size=3), VALUES, max_size=2)))
@settings(deadline=None)
@pytest.mark.parametrize("place", ["text", "html", "line"])
def test_the_short_way_renders_what_the_library_would(place: Place, properties: dict[str, Any]) -> None:
    source = "1 {{ person.properties.a }} 2 {{ person.properties.b.c }} {{person.email}}"
    library = environment(place).from_string(source)
    assert isinstance(library, BoundedTemplate)
    allowance = Allowance().person()
    assert Template.of(source, place).render(scope(**properties)) == library.rendered(scope(**properties), allowance)


@given(st.dictionaries(st.text(max_size=4), st.text(max_size=20)))
@settings(deadline=None)
def test_values_never_form_structure(properties: dict[str, str]) -> None:
    document = Document.of({"to": "{{ person.properties.x }}", "list": ["{{ person.properties }}", 1], "{{ k }}": None})
    result = json.loads(json.dumps(document.render(scope(**properties | {"x": '","to":"all'}))))
    assert list(result) == ["to", "list", "{{ k }}"]
    assert result["to"] == '","to":"all' and isinstance(result["list"][0], str) and len(result["list"]) == 2


def test_a_document_without_templates_is_constant() -> None:
    assert Document.of({"a": ["b", 1, None]}).constant
    assert Document.of({"a": ["b", 1, None]}).render({}) == {"a": ["b", 1, None]}
    assert not Document.of({"a": ["{{ person.email }}"]}).constant


def test_nothing_that_postgresql_cannot_store_comes_out() -> None:
    assert "\0" not in rendered("{{ 'a%00b' | url_decode }}|{{ 'AGE=' | base64_decode }}")


@given(st.text(alphabet="{}%|.'\" ()person1forin:,-=#\n", max_size=60))
@settings(max_examples=300, deadline=None)
def test_no_source_of_any_shape_raises(source: str) -> None:
    template, problems = Template.parse(source)
    assert (template is None) == bool(problems)
    if template:
        with contextlib.suppress(DomainError):
            assert isinstance(template.render(SCOPE), str)


def test_a_name_that_is_computed_is_refused_and_breaks_nothing() -> None:
    for source in ("{{ [variables.root].x }}", "{{ [person.properties.a] }}"):
        assert [problem.code for problem in Template.parse(source)[1]] == ["template.name_unknown"]


# -- what a person lacks


@pytest.mark.parametrize("lacking", ["size", "first", "last"])
def test_what_a_person_lacks_tells_nothing_about_their_other_properties(lacking: str) -> None:
    named = f"person.properties.{lacking}"
    source = f"{{{{ {named} }}}}|{{{{ {named} | default: 'none' }}}}|{{% if {named} %}}has{{% endif %}}"
    assert rendered(source, secret="churn 0.93") == "|none|"
    assert rendered(f"{{{{ person.properties['{lacking}'] }}}}", secret="churn 0.93") == ""
    assert Template.of(source).render(scope(**{lacking: "XL"})) == "XL|XL|has"


def test_lists_and_texts_have_a_first_and_a_size_and_objects_have_no_order() -> None:
    assert rendered("{{ person.properties.l.first }}{{ person.properties.l.size }}", l=["a", "b"]) == "a2"
    assert rendered("{{ person.properties.t.size }}", t="four") == "4"
    assert rendered("{{ person.properties | first }}{{ person.properties | last }}", a="b") == ""


# -- numbers


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ 0.00001 }}", "0.00001"),
        ("{{ 0.00001 | append: '' }} {{ 0.00000001 }} {{ 0.0001 | times: 0.0001 }}", "0.00001 0.00000001 0.00000001"),
        ("{{ 12345678901234567890.12345678901234567890 }}", "12345678901234567890.12345678901234567890"),
        ("{{ 1.50 }}", "1.50"),
        ("{{ 0.1 | plus: 0.2 }} {{ 1 | plus: 2 }} {{ '0.1' | plus: '0.2' }}", "0.3 3 0.3"),
        ("{{ 10 | divided_by: 4 }} {{ 10 | divided_by: 4.0 }} {{ 10 | divided_by: 5.0 }}", "2 2.5 2.0"),
        ("{{ 10 | divided_by: 3.0 }}", "3.333333333333333"),
        ("{{ -7 | modulo: 3 }} {{ -7.5 | modulo: 2 }}", "2 0.5"),
        ("{{ 1.2 | ceil }} {{ 1.8 | floor }} {{ -1.25 | abs }} {{ 3 | at_most: 2.5 }}", "2 1 1.25 2.5"),
        (
            "{{ person.properties.f }} {{ person.properties.fs | join: ',' }} {{ person.properties.fs }}",
            "0.00001 0.00001,2.5 0.000012.5",
        ),
        ("{{ person.properties.fs | sum }} {{ person.properties.f | times: 3 }}", "2.50001 0.00003"),
        ("{% if person.properties.f < 0.00002 %}less{% endif %}", "less"),
    ],
)
def test_numbers_are_decimals_as_they_are_written(source: str, text: str) -> None:
    assert rendered(source, f=Number("0.00001"), fs=[Number("0.00001"), 2.5]) == text


def test_items_of_a_list_are_printed_as_they_are_alone() -> None:
    assert rendered("{{ person.properties.l }}", l=["a", True, None, ["b", None], {"c": 1e-05}]) == (
        'atrue["b", null]{"c": 1e-05}'
    )


# -- the clock


def test_now_is_the_instant_that_the_product_gives() -> None:
    at = SCOPE | {NOW: datetime(2026, 3, 4, 5, 6, tzinfo=UTC)}
    assert Template.of("{{ 'now' | date: '%Y-%m-%d %H:%M' }} {{ 'today' | date }}").render(at) == (
        "2026-03-04 05:06 2026-03-04"
    )


# -- values that keep their type


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("{{ person.properties.n }}", 5),
        ("{{ person.properties.f }}", 2.5),
        ("{{ person.properties.yes }}", True),
        ("{{ person.properties.list }}", ["a", {"b": 1.5}]),
        ("{{ person.properties.missing }}", None),
        ("{{ person.properties.n | plus: 1 }}", 6),
        ("{{ person.properties.list | first }}", "a"),
        ("{{ person.properties.objects | map: 'b' }}", [1, None]),
        ("{{ person.properties.text }}", "5"),
        ("n {{ person.properties.n }}", "n 5"),
        ("{{ person.properties.n }}{{ person.properties.n }}", "55"),
    ],
)
def test_a_text_that_is_one_value_keeps_its_type_where_types_are_kept(source: str, value: Any) -> None:
    person = scope(n=5, f=Number("2.5"), yes=True, list=["a", {"b": Number("1.5")}], text="5", objects=[{"b": 1}, {}])
    given = Document.of({"x": source}, typed=True).render(person)
    assert given == {"x": value} and type(given["x"]) is type(value)
    json.dumps(given)
    assert isinstance(Document.of({"x": source}).render(person)["x"], str)
