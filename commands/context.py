"""What a handler receives: ports, each a Protocol. The machine room supplies them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeVar
from uuid import UUID

from aggregates.base import Aggregate, Meta
from aggregates.policy import Limits, Policy
from commands.people_ports import Ledger, People

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


@dataclass(frozen=True)
class Payer:
    """A key for which a request counts: the policy that holds for it, and whether it is an agent's."""

    id: str
    policy: Policy
    guarded: bool

    @property
    def budget(self) -> int | None:
        """How many people it may reach in a day; None where nothing limits it."""
        return self.policy.budget(guarded=self.guarded)

    @property
    def limited(self) -> bool:
        """Whether what is asked for in a day matters for it."""
        return self.budget is not None or self.policy.approval_over is not None


class Spending(Protocol):
    """How many people each principal has asked to reach, inside the command's transaction."""

    def makers(self, project_id: UUID, chain: Sequence[str]) -> list[Payer]:
        """The keys of a chain as they stand today, also those that were revoked, in the order of the chain."""

    def lock(self, project_id: UUID, principal: str) -> None:
        """Let nobody else count for this principal until this command has ended."""

    def since(self, project_id: UUID, principal: str, workflow_id: UUID, instant: datetime) -> tuple[int, int]:
        """People asked for after an instant by a principal and the keys below it: over everything, by this workflow.

        What was given back does not count.
        """

    def lately(
        self, project_id: UUID, principal: str, workflow_id: UUID, people: int, instant: datetime
    ) -> Sequence[UUID]:
        """The latest jobs over so many people that a principal itself asked for after an instant.

        What was given back is none.
        """

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
    """What a human confirms with this command: the people that were asked for, and the id of what it makes.

    `limits` are those of the key that asked, a guarded one; they stay on what goes on by itself afterwards, and so does
    `asked`: by whom it was asked, of which owner and chain.
    """

    fingerprint: str
    makes: UUID
    limits: Limits
    asked: Mapping[str, Any]


@dataclass(frozen=True)
class Context:
    """All that a handler may touch. `policy` is the one of the command's principal.

    `is_fenced` says whether nothing may leave this database. `base_url` is where clients reach the server. `confirming`
    is set while a human's confirmation does what was asked.
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
    is_fenced: Callable[[], bool]
    base_url: str = ""
    confirming: Confirming | None = None

    @property
    def witnessed(self) -> bool:
        """Whether a human has to confirm what this principal asks for."""
        return self.meta.principal.guarded and self.policy.asked_confirmation == "witnessed"

    def confirm_url(self, id: UUID) -> str:
        """Where a human learns how to confirm a held job or a confirmation. It allows nothing by itself."""
        return f"{self.base_url}/confirm/{id}"
