"""Writes people.csv: 10,000 people who do not exist, the same ones every time.

Run `python examples/make_people.py`. Some have opted out, some have no address, some share one, some lack a first
name: what an audience looks like in life. Addresses are of example.com, .net and .org, which nobody can own (RFC 2606).
"""

from __future__ import annotations

import csv
import io
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

SEED = 20261121
PEOPLE = 10_000
FIELDS = ("distinct_id", "email", "opted_out_at", "first_name", "country", "locale", "plan", "seats", "signed_up")
FILE = Path(__file__).with_name("people.csv")

COUNTRIES = {
    "SE": ("sv", 18, ("Alva", "Björn", "Ebba", "Elsa", "Nils", "Åsa")),
    "NO": ("nb", 12, ("Astrid", "Håkon", "Ingrid", "Ola", "Sigrid", "Øyvind")),
    "DK": ("da", 10, ("Freja", "Jens", "Karen", "Mads", "Søren", "Ida")),
    "FI": ("fi", 8, ("Aino", "Eero", "Helmi", "Onni", "Väinö", "Sanna")),
    "DE": ("de", 22, ("Anna", "Jürgen", "Lena", "Max", "Petra", "Uwe")),
    "FR": ("fr", 14, ("Chloé", "Émile", "Inès", "Léa", "Noël", "Zoé")),
    "US": ("en", 16, ("Ann", "Bob", "Carlos", "Dee", "Eve", "Grace")),
}
PLANS = {"free": 56, "pro": 31, "team": 13}
DOMAINS = ("example.com", "example.net", "example.org")
FIRST_DAY = datetime(2023, 1, 1, tzinfo=UTC)


def people(count: int = PEOPLE, seed: int = SEED) -> list[dict[str, str]]:
    """The rows, in the order of the file."""
    chance = random.Random(seed)
    rows: list[dict[str, str]] = []
    for number in range(1, count + 1):
        rows.append(_person(number, chance, rows))
    return rows


def as_csv(rows: list[dict[str, str]]) -> str:
    """The file's text."""
    text = io.StringIO()
    writer = csv.DictWriter(text, FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _person(number: int, chance: random.Random, before: list[dict[str, str]]) -> dict[str, str]:
    country = chance.choices(list(COUNTRIES), [weight for _, weight, _ in COUNTRIES.values()])[0]
    locale, _, names = COUNTRIES[country]
    plan = chance.choices(list(PLANS), list(PLANS.values()))[0]
    signed_up = FIRST_DAY + timedelta(days=chance.randrange(1000))
    opted_out = signed_up + timedelta(days=chance.randrange(1, 300)) if chance.random() < 0.04 else None
    return {
        "distinct_id": f"user-{number:05}",
        "email": _address(number, chance, before),
        "opted_out_at": opted_out.isoformat().replace("+00:00", "Z") if opted_out else "",
        "first_name": "" if chance.random() < 0.05 else chance.choice(names),
        "country": country,
        "locale": locale,
        "plan": plan,
        "seats": str(chance.randrange(5, 200) if plan == "team" else 1),
        "signed_up": signed_up.date().isoformat(),
    }


def _address(number: int, chance: random.Random, before: list[dict[str, str]]) -> str:
    """Mostly an address of one's own; sometimes none, sometimes that of somebody before, in other letters."""
    kind = chance.random()
    if kind < 0.03:
        return ""
    if kind < 0.06 and before:
        return chance.choice(before)["email"].upper()
    return f"user{number}@{chance.choice(DOMAINS)}"


if __name__ == "__main__":
    FILE.write_text(as_csv(people()), encoding="utf-8")
    print(f"{FILE}: {PEOPLE:,} people")
