"""What a handler receives: ports, each a Protocol. The machine room supplies them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, BinaryIO, Protocol, TypeVar
from uuid import UUID

from aggregates.audience import Audience
from aggregates.base import Aggregate, Meta
from aggregates.errors import Problem
from aggregates.policy import Limits, Policy
from aggregates.reach import Reach
from aggregates.values import Sizing

A = TypeVar("A", bound=Aggregate)


@dataclass(frozen=True)
class Accepted:
    """A command's answer: what it was about, what to tell the caller, and its position in the log.

    `changed` says whether the log has grown; the bus sets it, and the position with it. When nothing changed, the
    position is where it stands anyway (0 if nothing was ever recorded of it). `once` is told with this answer and kept
    nowhere: a repeated request gets the answer without it.
    """

    id: str
    data: Mapping[str, Any] = field(default_factory=dict)
    position: int = 0
    once: Mapping[str, Any] = field(default_factory=dict)
    changed: bool = False


class Store(Protocol):
    """Streams in and out, inside the command's transaction."""

    def load(self, kind: type[A], id: UUID, meta: Meta) -> A:
        """The aggregate; an unknown id and a foreign project's id raise the same `<kind>.not_found`."""

    def find(self, kind: type[A], id: UUID, meta: Meta) -> A | None:
        """The aggregate, or None."""

    def save(self, *aggregates: Aggregate) -> int:
        """Append what is pending; the position of the last event, or where the stream already stands."""

    def taken(self, id: UUID | None) -> bool:
        """Whether any stream of any kind has this id, or it was spent; a confirm token buys one id, once."""

    def spend(self, id: UUID, meta: Meta) -> None:
        """Use up the id that a confirm token buys, for something that is no stream of its own."""

    def belonging(self, kind: type[A], parent_id: UUID, meta: Meta, *statuses: str) -> list[A]:
        """What belongs to a workflow and stands in one of these statuses; nobody else appends to it meanwhile."""

    def siblings(self, kind: type[A], parent_id: UUID, meta: Meta, *statuses: str) -> list[A]:
        """What belongs to a workflow and stands in one of these statuses; nobody else asks until this command ends."""

    def any_stands(self, ids: Sequence[UUID], statuses: Collection[str]) -> bool:
        """Whether any of these streams stands in one of these statuses, as of the last commit."""

    def lock(self, id: UUID, *, shared: bool = False) -> None:
        """Let nobody append to a stream until this command has ended; shared with others who only look at it."""

    def claim(self, id: UUID, now: datetime) -> bool:
        """Take a stream that is due; False when it is not, or when somebody else has it at this moment."""


class People(Protocol):
    """Audience questions and people's state, inside the command's transaction."""

    def audience_problems(self, project_id: UUID, audience: Audience, pointer: str) -> list[Problem]: ...

    def audience_findings(self, project_id: UUID, audiences: Sequence[tuple[str, Audience]]) -> list[Problem]:
        """Warnings about conditions that name what no person has; each audience comes with its pointer."""

    def size(
        self,
        project_id: UUID,
        audience: Audience,
        *,
        reach: Reach,
        needs: Sequence[str],
        shown: bool,
        now: datetime,
    ) -> Sizing:
        """Counts and fingerprint of one snapshot; only if `shown` also the total, a sample and what people lack."""

    def explain(
        self, project_id: UUID, audience: Audience, *, reach: Reach, limit: int, now: datetime
    ) -> Sequence[Mapping[str, Any]]:
        """People who match and are excluded: `{person_id, distinct_id, reason}`."""

    def keep(
        self,
        project_id: UUID,
        job_id: UUID,
        workflow_id: UUID,
        audience: Audience,
        *,
        reach: Reach,
        about: int,
        expires_at: datetime,
        now: datetime,
    ) -> tuple[int, str]:
        """Keep the affected people (`about` so many) for a job that may be bought until then: count, fingerprint."""

    def kept(self, project_id: UUID, job_id: UUID) -> tuple[int, str] | None:
        """What was kept for a job, if it still is."""

    def keep_confirmed(
        self, project_id: UUID, schedule_id: UUID, audience: Audience, *, reach: Reach, about: int, now: datetime
    ) -> tuple[int, str]:
        """Keep the affected people (`about` so many) as those confirmed for a schedule: count, fingerprint."""

    def forget_confirmed(self, schedule_id: UUID) -> None:
        """Drop who was confirmed for a schedule."""

    def strangers(
        self, project_id: UUID, schedule_id: UUID, audience: Audience, *, reach: Reach, now: datetime
    ) -> int | None:
        """How many of the affected people were not confirmed for a schedule; None if nobody was kept."""

    def reached_before(
        self, project_id: UUID, workflow_id: UUID, version: int, audience: Audience, *, reach: Reach, now: datetime
    ) -> int | None:
        """How many of the affected people this version has reached before; None if that takes too long to count."""

    def failed(self, job_id: UUID, reach: Reach) -> tuple[int, str]:
        """The people whose runs of a job have failed: count, fingerprint over them and their addresses of now."""

    def unfinished(self, job_id: UUID) -> tuple[int, str]:
        """The enrolled people of a job whose runs have no outcome yet: count, fingerprint."""

    def left_since(self, job_id: UUID, project_id: UUID, reach: Reach) -> Mapping[str, int]:
        """How many of these can be reached no more, by reason."""

    def sample(self, project_id: UUID, audience: Audience, *, reach: Reach, limit: int, now: datetime) -> list[int]:
        """Some people whom an audience reaches, spread over all of them, the same ones each time; ascending."""

    def named(self, project_id: UUID, distinct_ids: Sequence[str]) -> Mapping[str, int]:
        """Who of the project has these distinct ids."""

    def reasons(
        self, project_id: UUID, audience: Audience, ids: Sequence[int], *, reach: Reach, now: datetime
    ) -> Mapping[int, str]:
        """Those of these people whom the audience would not reach, and why."""

    def matching(self, project_id: UUID, audience: Audience, ids: Sequence[int], *, now: datetime) -> set[int]:
        """Which of these people meet the conditions."""

    def records(self, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
        """What templates see of people."""

    def values(self, key: str, ids: Sequence[int]) -> dict[str | None, list[int]]:
        """People by what a property of theirs says."""

    def import_people(
        self,
        project_id: UUID,
        stream: BinaryIO,
        *,
        format: str,
        mapping: Mapping[str, str],
        dry_run: bool,
        now: datetime,
    ) -> Mapping[str, Any]: ...

    def addressed(self, project_id: UUID, person_id: int | None, distinct_id: str | None) -> tuple[int, str | None]:
        """A person by one of their ids, with their normalised address; or `person.not_found`."""

    def opt_out(self, project_id: UUID, **told: Any) -> bool:
        """Let `person_id`, and everybody with `address`, leave a `topic`; whether that was not so before."""

    def opt_in(self, project_id: UUID, **told: Any) -> bool:
        """Take that back; whether there was anything to take back."""

    def suppress(self, project_id: UUID, address: str, reason: str, now: datetime) -> bool:
        """Let nothing be sent to a normalised address; whether that was not so before."""

    def unsuppress(self, project_id: UUID, address: str) -> bool:
        """Let it be sent to again; whether it was suppressed."""

    def refused_addresses(
        self, project_id: UUID, addresses: Iterable[str], transactional: bool, topic: str = ""
    ) -> Mapping[str, str]:
        """Addresses that may not be sent to, as they were told: `invalid_address`, `suppressed`, `opted_out`.

        A transactional message looks at suppressions only, any other also at opt-outs: of all, and of its topic.
        """

    def digest(self, address: str) -> str:
        """A keyed digest of a normalised address, for the log."""

    def create_cohort(self, project_id: UUID, id: UUID, **fields: Any) -> Mapping[str, Any]: ...


class Ledger(Protocol):
    """Where the people of a job stand, inside the command's transaction."""

    def claim_step(self, job_id: UUID, step_id: str) -> bool:
        """Whether an enrolled job has this approval step; nobody arrives at it until this command has ended."""

    def keep_inputs(self, project_id: UUID, job_id: UUID, inputs: Mapping[str, Any]) -> None:
        """What a manual run is started with."""

    def inputs(self, job_id: UUID) -> Mapping[str, Any]:
        """What a manual run was started with; empty if nothing was kept."""

    def run_status(self, job_id: UUID, person_id: int) -> str | None:
        """How one person's run stands; None for somebody who is not enrolled. It stays so until this command ends."""

    def cancel_run(self, job_id: UUID, person_id: int, now: datetime) -> str:
        """Let nothing more be done for one person; how the run stands then: who waits is skipped at once."""

    def unknown_at(self, job_id: UUID, person_id: int) -> str | None:
        """The step at which a run waits for somebody to say what became of its effect."""

    def decide_unknown(self, job_id: UUID, person_id: int, *, effect_id: UUID, decision: str, now: datetime) -> str:
        """Let such a run go on as was decided, or end it; how it stands then."""

    def reached(self, job_id: UUID) -> int:
        """How many people of a job were reached or may have been, as far as is recorded."""

    def unknown_left(self, job_id: UUID) -> int:
        """How many runs of a job wait for such a decision."""

    def wake(self, job_id: UUID, step_id: str, now: datetime) -> None:
        """Let everybody who waits at a step of a job go on."""


class Projects(Protocol):
    """The project's own state, inside the command's transaction."""

    def stands(self, project_id: UUID) -> tuple[str, Limits]:
        """Its name and what it narrows, read for an update."""

    def narrow(self, project_id: UUID, limits: Limits) -> None:
        """Set what the project narrows of the installation's policy."""


class Keys(Protocol):
    """API keys, inside the command's transaction."""

    def create(self, project_id: UUID, **fields: Any) -> tuple[str, str]:
        """The key's id and, for this one time, its plain text."""

    def terms(self, project_id: UUID, id: str) -> Mapping[str, Any] | None:
        """What a key of the project is, read for an update; None when there is none."""

    def change(self, project_id: UUID, id: str, **fields: Any) -> None: ...


class Secrets(Protocol):
    """What is known of a project's secrets; their values stay where they are."""

    def refusal(self, project_id: UUID, name: str, host: str, *, bound: bool) -> str | None:
        """The code for which a secret may not go to a host; None when it may. `bound`: only to hosts that it names."""


class Sizings(Protocol):
    """What sizings said, inside the command's transaction."""

    def keep(self, id: str, project_id: UUID, claims: Mapping[str, Any]) -> None:
        """Keep the claims of a confirm token under the token's digest."""

    def find(self, id: str) -> Mapping[str, Any] | None:
        """The claims, or None when they are kept no more or never were."""


class Spending(Protocol):
    """How many people each principal has asked to reach, inside the command's transaction."""

    def lock(self, project_id: UUID, principal: str) -> None:
        """Let nobody else count for this principal until this command has ended."""

    def since(self, project_id: UUID, principal: str, workflow_id: UUID, instant: datetime) -> tuple[int, int]:
        """People asked for after an instant: over everything, by this workflow. What was given back does not count."""

    def add(
        self, project_id: UUID, principal: str, *, workflow_id: UUID, job_id: UUID, people: int, at: datetime
    ) -> None:
        """Count the people of a job; a job counts once."""


class Ids(Protocol):
    """Chance, at the door: new ids, and ids derived from what they identify."""

    def new(self) -> UUID: ...

    def derived(self, *parts: object) -> UUID: ...

    def nonce(self) -> str: ...


@dataclass(frozen=True)
class Confirming:
    """What a human confirms with this command: the people that were asked for, and the id of what it makes."""

    fingerprint: str
    makes: UUID


@dataclass(frozen=True)
class Context:
    """All that a handler may touch. `policy` is the one of the command's principal.

    `base_url` is where clients reach the server. `confirming` is set while a human's confirmation does what was asked.
    """

    meta: Meta
    store: Store
    people: People
    keys: Keys
    ledger: Ledger
    projects: Projects
    policy: Policy
    sizings: Sizings
    spending: Spending
    ids: Ids
    secrets: Secrets
    base_url: str = ""
    confirming: Confirming | None = None

    @property
    def witnessed(self) -> bool:
        """Whether a human has to confirm what this principal asks for."""
        return self.meta.principal.guarded and self.policy.asked_confirmation == "witnessed"

    def confirm_url(self, id: UUID) -> str:
        """Where a human learns how to confirm a held job or a confirmation. It allows nothing by itself."""
        return f"{self.base_url}/confirm/{id}"
