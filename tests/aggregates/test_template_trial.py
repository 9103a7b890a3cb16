"""What can never work for anybody is found when a template is saved."""

from __future__ import annotations

import pytest

from aggregates.templates import Template


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("{{ person.properties.d | date: '%D' }}", "template.never_renders"),
        ("{{ person.properties.d | date: '%I:%M %P' }}", "template.never_renders"),
        ("{{ 'now' | date: '%999999999d' }}", "template.never_renders"),
        ("{{ person.properties.n | replace }}", "template.filter_arguments"),
        ("{{ person.properties.n | append }}", "template.filter_arguments"),
        ("{{ person.properties.n | slice }}", "template.filter_arguments"),
        ("{{ person.properties.n | upcase: 1 }}", "template.filter_arguments"),
        ("{{ person.properties.n | default: 1, allow_fals: true }}", "template.filter_arguments"),
        ("{{ person.properties.n | divided_by: 0 }}", "template.never_renders"),
        ("{{ person.properties.n | modulo: 0 }}", "template.never_renders"),
        ("{{ person.properties.n | truncate: 'x' }}", "template.never_renders"),
        ("{{ person.properties.n | concat: 'x' }}", "template.never_renders"),
        ("{{ 'x' | base64_decode }}", "template.never_renders"),
        ("{% assign x = person.properties.n | divided_by: 0 %}", "template.never_renders"),
        ("{% for x in person.properties.l limit: 'x' %}{% endfor %}", "template.never_renders"),
        ("{% if 5 > 'x' %}{% endif %}", "template.never_renders"),
        ("{% for x in (1..3) %}{{ x | truncate: 'x' }}{% endfor %}", "template.never_renders"),
    ],
)
def test_what_fails_for_everybody_is_found_when_it_is_saved(source: str, code: str) -> None:
    assert [finding.code for finding in Template.of(source).findings] == [code]


@pytest.mark.parametrize(
    "source",
    [
        "{{ person.properties.d | date: '%d %B %Y' }} {{ person.properties.d | date: variables.pattern }}",
        "{{ person.properties.n | divided_by: person.properties.m }} {{ person.properties.n | truncate: variables.n }}",
        "{{ person.properties.l | concat: person.properties.m }} {{ person.properties.l | map: 'x' | join: ', ' }}",
        "{{ person.properties.l | where: 'a', 1 | first }} {{ person.properties.l | sort: 'a' | reverse | size }}",
        "{{ person.properties.n | default: 1, allow_false: true }} {{ person.properties.b | base64_decode }}",
        "{% if person.properties.n > 'x' and 5 > 4 %}{% endif %}",
        "{% for x in (1..3) limit: 2 offset: continue %}{% endfor %}",
    ],
)
def test_what_may_work_for_somebody_is_taken(source: str) -> None:
    assert Template.of(source).findings == ()
