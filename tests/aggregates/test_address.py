"""One form of an address: what is the same mailbox has one, and what cannot be written to has none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregates.address import normalised

ALIKE = [
    (
        "ann@example.com",
        [
            "Ann@Example.COM",
            " ann@example.com\t",
            "ann@\uff45xample.com",
            "ann@example\u3002com",
            "ann\uff20example.com",
        ],
    ),
    ("ann@xn--bcher-kva.example", ["ann@bücher.example", "Ann@BÜCHER.example", "ann@bu\u0308cher.example"]),
    ("ann@xn--strae-oqa.de", ["ann@straße.de", "ann@XN--STRAE-OQA.de"]),
    ("kim@example.com", ["\u212aim@example.com"]),
    ("ann+news@example.com", ["Ann+News@example.com"]),
]
INVALID = [
    "", "ann", "@example.com", "ann@", "a..b@x", ".a@x", "a.@x", "ä@example.com", "\uff41nn@example.com", "a@b@c",
    "a b@c.de", "Ann <a@b.de>", "a@b.de, c@d.de", "a@-b.de", "a@b-.de", "a@b..de", "a@b.de.", "a@127.0.0.1",
    "a@b.de\r\nBcc: c@d.de", "a@b\0.de", "a@xn--zz--zz.de", "a" * 65 + "@b.de", "a@" + "b." * 130 + "de",
]  # fmt: skip


@pytest.mark.parametrize(("form", "told"), [(form, told) for form, each in ALIKE for told in [form, *each]])
def test_forms_of_one_address_are_one_address(form: str, told: str) -> None:
    assert normalised(told) == form


@pytest.mark.parametrize("told", INVALID)
def test_what_is_not_one_plain_address_is_none(told: str) -> None:
    assert normalised(told) is None


@given(st.text(max_size=40) | st.emails())
def test_the_form_of_a_form_is_itself(told: str) -> None:
    form = normalised(told)
    assert form is None or (normalised(form) == form and form.isascii() and form == form.lower())
