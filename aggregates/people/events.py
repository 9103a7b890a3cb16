"""What is recorded of a change of people. No name, address or property ever appears here: numbers, codes, digests."""

from __future__ import annotations

from aggregates.base import CreatedEvent

SUPPRESSION_REASONS = ("hard_bounce", "complaint", "erased", "by_hand")
"""Why nothing may be sent to an address."""

COUNTS = ("inserted", "updated", "unchanged", "addresses_changed")
"""What of an import depends on which people were there before: shown only to readers with person:read."""


class PeopleImported(CreatedEvent):
    """A file of people was taken in; `sha256` is of the file, `source` is its format."""

    TOPIC = "people.imported.v1"
    OUTSIDE = ("sha256",)
    source: str
    sha256: str
    rows: int
    inserted: int
    updated: int
    unchanged: int
    addresses_changed: int


class PersonOptedOut(CreatedEvent):
    """A person, or an address, left a topic ("": all of them); `address` is a keyed digest of it."""

    TOPIC = "people.opted_out.v1"
    OUTSIDE = ("reason", "source")
    person_id: int | None
    address: str | None
    topic: str
    reason: str
    source: str


class PersonOptedIn(CreatedEvent):
    """A person, or an address, is back."""

    TOPIC = "people.opted_in.v1"
    OUTSIDE = ("reason", "source")
    person_id: int | None
    address: str | None
    topic: str
    reason: str
    source: str


class AddressSuppressed(CreatedEvent):
    """Nothing may be sent to an address any more, for one of `SUPPRESSION_REASONS`."""

    TOPIC = "people.suppressed.v1"
    OUTSIDE = ("source",)
    address: str
    reason: str
    source: str


class AddressUnsuppressed(CreatedEvent):
    """An address may be sent to again."""

    TOPIC = "people.unsuppressed.v1"
    OUTSIDE = ("source",)
    address: str
    reason: str
    source: str
