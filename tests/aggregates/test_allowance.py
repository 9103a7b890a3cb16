"""What rendering may cost: for one person, for people together, and in characters."""

from __future__ import annotations

from typing import Any

import pytest

from aggregates.allowance import LETTERS, PERSON_CHARACTERS, PERSON_WORK, Allowance
from aggregates.errors import DomainError
from aggregates.templates import Document, Template
from tests.support.scopes import scope

COSTLY: dict[str, Any] = {
    "l": list(range(900)),
    "t": [f"word {n}" for n in range(900)],
    "o": [{"a": n, "b": "x" * 20} for n in range(300)],
    "long": "y z" * 8_000,
    "big": {str(n): ["x"] * 50 for n in range(100)},
}


@pytest.mark.parametrize(
    "body",
    [
        "{% assign b = person.properties.l | uniq | size %}",
        "{% assign b = person.properties.t | sort_natural %}",
        "{% assign b = person.properties.long | replace: 'y', 'zz' %}",
        "{% capture b %}{{ person.properties.big }}{% endcapture %}",
        "{% if person.properties.big == person.properties.big %}{% endif %}",
        "{% if true %}{% endif %}" * 100,
        "{% case i %}" + "{% when 0 %}" * 500 + "{% endcase %}",
    ],
)
def test_the_work_for_one_person_is_bounded(body: str) -> None:
    template = Template.of("{% for i in (1..700) %}" + body + "{% endfor %}")
    together = Allowance()
    for _ in range(2):
        before = together.work
        with pytest.raises(DomainError) as refusal:
            template.render(scope(**COSTLY), together.person())
        assert refusal.value.code == "template.over_limit"
        # What passes the limit has been done, but it is one part of the template at most.
        assert PERSON_WORK <= before - together.work < 2 * PERSON_WORK


def test_a_filter_costs_what_it_is_given() -> None:
    def cost(source: str) -> int:
        allowance = Allowance().person()
        Template.of(source).render(scope(**COSTLY), allowance)
        return PERSON_WORK - allowance.work

    one = "{% assign a = person.properties.long | size %}"
    assert cost(one) - cost("{% assign a = person.properties.long %}") > 2 * len(COSTLY["long"]) // LETTERS
    assert cost(one * 3) == 3 * cost(one)


def test_an_ordinary_template_costs_little() -> None:
    source = "{% for o in person.properties.o %}{{ o.a | plus: 1 }} {{ o.b | upcase }} {{ o.b }}{% endfor %}"
    allowance = Allowance().person()
    Template.of(source).render(scope(**COSTLY), allowance)
    assert allowance.work > 0


def test_the_texts_of_one_person_are_bounded_together() -> None:
    long = scope(x="x" * (PERSON_CHARACTERS // 3))
    Document.of(dict.fromkeys("ab", "{{ person.properties.x }}")).render(long)
    with pytest.raises(DomainError) as refusal:
        Document.of(dict.fromkeys("abcd", "{{ person.properties.x }}")).render(long)
    assert refusal.value.code == "template.over_limit"


def test_people_who_are_rendered_together_share_an_allowance() -> None:
    together = Allowance(work=100, characters=30)
    document = Document.of({"a": "{{ person.properties.x }}"})
    for _ in range(2):
        document.render(scope(x="y" * 20), together.person())
    with pytest.raises(DomainError) as refusal:
        document.render(scope(x="y"), together.person())
    assert refusal.value.code == "template.together_over_limit"
