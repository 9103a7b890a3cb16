"""Small values that commands, events and answers share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from aggregates.address import normalised
from aggregates.policy import Limits
from aggregates.reach import PerPerson

NAME_LIMIT = 200
"""Longest name of anything, in characters."""

VARIABLES_LIMIT = 5 * 1024
"""Largest set of variables, in bytes as JSON."""


@dataclass(frozen=True)
class Acknowledgement:
    """The count that a human confirmed, with the sizing that it came from.

    With a `ceiling` it came from a standing approval: up to so many people, whoever they are at that instant.
    `per_person` is the cap under which people were counted.
    """

    count: int
    fingerprint: str
    token_nonce: str | None
    sized_at: datetime | None
    ceiling: int | None = None
    per_person: PerPerson | None = None

    def as_data(self) -> dict[str, Any]:
        # What was recorded before there was a cap has no name for it, and neither has what has none.
        capped = {"per_person": self.per_person.as_data()} if self.per_person else {}
        return {
            "count": self.count,
            "fingerprint": self.fingerprint,
            "token_nonce": self.token_nonce,
            "sized_at": self.sized_at.isoformat() if self.sized_at else None,
            "ceiling": self.ceiling,
            **capped,
        }


@dataclass(frozen=True)
class StandingApproval:
    """What a human allows a schedule until further notice.

    Up to `ceiling` people at each occurrence, as long as the workflow's content is the one of `workflow_version` and
    `expires_at` has not come; `by` is the principal who gave it, and `limits` are those of its key, which hold for what
    it allowed. `asked_by` is the agent that asked for it, if `by` is a human who only confirmed it. `owner` and `chain`
    are who else stands behind the asker, and `guarded` says whether that is an agent.
    `max_growth` is a share of the acknowledged count, `max_churn` (None: any) the share of an occurrence's people that
    may not have been among the confirmed ones. `send_mode` is the one that it was given in; an approval from before
    that was recorded has none.
    """

    by: str
    workflow_version: int
    max_growth: float
    ceiling: int
    expires_at: datetime | None = None
    limits: Limits = field(default_factory=Limits)
    owner: str | None = None
    chain: tuple[str, ...] = ()
    guarded: bool = False
    max_churn: float | None = None
    send_mode: str | None = None
    asked_by: str | None = None

    @property
    def asker(self) -> str:
        """Who asked for what it allows, and so for every occurrence."""
        return self.asked_by or self.by

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> StandingApproval:
        expires_at = data["expires_at"]
        ends = datetime.fromisoformat(expires_at) if expires_at else None
        plain = {"limits": Limits.of(data["limits"]), "chain": tuple(data.get("chain", ()))}
        return cls(**{**data, "expires_at": ends, **plain})

    def as_data(self) -> dict[str, Any]:
        ends = self.expires_at.isoformat() if self.expires_at else None
        return {**asdict(self), "expires_at": ends, "limits": self.limits.as_data(), "chain": list(self.chain)}

    def exceeded(self, affected: int, now: datetime) -> str | None:
        """Why an audience of this size is not covered by it; None when it is."""
        if self.expires_at is not None and self.expires_at <= now:
            return "approval_expired"
        return "beyond_growth" if affected > self.ceiling else None


@dataclass(frozen=True)
class Sizing:
    """Whom an audience reaches at one instant, in people.

    `excluded` counts by reason, `missing_variables` counts affected people who lack a property that the
    content reads, `total` is everybody in the project (None when it was not asked for), `fingerprint` stands
    for exactly the affected ids, and `sample` is masked.
    """

    matched: int
    excluded: Mapping[str, int]
    affected: int
    total: int | None
    fingerprint: str
    everyone: bool
    missing_variables: Mapping[str, int]
    sample: Sequence[Mapping[str, Any]]


NOBODY = 0
"""The person of a manual run, which has none; no real person has this id."""


def run_id(job_id: UUID, person_id: int) -> str:
    """The id of a person's path in a job; derived, stored nowhere."""
    return f"{job_id}.{person_id}"


def parse_run_id(text: str) -> tuple[UUID, int] | None:
    """The job and the person of a run's id; None for what is none. An id has one spelling only."""
    job, _, person = text.partition(".")
    try:
        job_id, person_id = UUID(job), int(person)
    except ValueError:
        return None
    known = 0 <= person_id < 2**63 and text == run_id(job_id, person_id)
    return (job_id, person_id) if known else None


def parse_instant(text: str) -> datetime:
    """An instant with an offset, in UTC; ValueError says what is wrong with it."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError("An instant is written as 2027-01-31T00:00:00Z.") from error
    if found.tzinfo is None:
        raise ValueError("An instant has an offset: 2027-01-31T00:00:00Z.")
    try:
        return found.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("An instant is in the years 1 to 9999 of UTC.") from error


def digest(data: Any) -> str:
    """SHA-256 of the canonical JSON of plain data; ids and instants count by their text."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


VARIABLE_TYPES: Mapping[str, tuple[type, ...]] = {"string": (str,), "number": (int, float), "boolean": (bool,)}

ADDRESS = "address"
"""The type of an input that is one e-mail address, to which a manual workflow may write."""

INPUT_TYPES: Mapping[str, tuple[type, ...]] = {**VARIABLE_TYPES, ADDRESS: (str,)}


def fits(value: Any, type_name: str) -> bool:
    """Whether a plain value is of a declared variable or input type; true and false are not numbers."""
    if type_name != "boolean" and isinstance(value, bool):
        return False
    if type_name == ADDRESS and isinstance(value, str):
        return normalised(value) is not None
    return isinstance(value, INPUT_TYPES[type_name])


def kind_of(value: Any) -> str:
    """The JSON name of a value's type: what we may say of it without echoing it."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"
