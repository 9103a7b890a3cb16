"""What a step type is, and what it can plan.

`plan` is pure and speaks for a whole group of people who stand at the step with the same config; the fan-out
carries the plan out and renders its templates for each of them.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict
from pydantic.json_schema import GenerateJsonSchema

from aggregates.audience import Audience
from aggregates.errors import Problem
from aggregates.places import Place
from aggregates.secrets import SecretUse
from aggregates.templates import Document

NEXT = "next"
"""The port by which people leave a step that does not branch."""

ANY_INSTANT = datetime(2000, 1, 3, tzinfo=UTC)
"""For a plan of which only what the config says is of interest."""

OnUnknown = Literal["retry", "hold"]
"""After a crash between an attempt and its outcome: try again with the same key, or leave it to a person."""


class Config(BaseModel):
    """Root of every step's config: closed, and no value is turned into another type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


C = TypeVar("C", bound=Config)


@dataclass(frozen=True)
class Advance:
    """Go on by a port; nothing happens."""

    port: str = NEXT


@dataclass(frozen=True)
class Record:
    """Keep in the ledger what would have been sent, then go on. A constant payload is the same for everybody."""

    payload: Document
    port: str = NEXT

    @property
    def constant(self) -> bool:
        return self.payload.constant


@dataclass(frozen=True)
class Park:
    """Wait, then go on; with `again`, wait and then arrive at this step once more."""

    until: datetime
    port: str = NEXT
    again: bool = False


@dataclass(frozen=True)
class ByProperty:
    """One plan for all whose property says the same; `plan_for` takes its text, None where there is none."""

    key: str
    plan_for: Callable[[str | None], Advance | Park]


@dataclass(frozen=True)
class Branch:
    """Everybody takes the first arm whose audience they belong to, or `otherwise`."""

    arms: tuple[tuple[str, Audience], ...]
    otherwise: str


WHOLE = 10_000
"""A hundred percent, in hundredths of one."""


@dataclass(frozen=True)
class Split:
    """Everybody takes one arm by lot. `shares` are hundredths of a percent and sum to `WHOLE`."""

    shares: tuple[tuple[str, int], ...]

    def lots(self, workflow_id: str, step_id: str, ids: Sequence[int]) -> dict[str, list[int]]:
        """Who takes which arm. A lot depends on workflow, step and person alone: it is the same in every job."""
        taken: dict[str, list[int]] = {}
        drawn = hashlib.blake2b(f"{workflow_id}/{step_id}/".encode(), digest_size=8)
        for id in ids:
            lot = drawn.copy()
            lot.update(b"%d" % id)
            taken.setdefault(self._arm(int.from_bytes(lot.digest()) % WHOLE), []).append(id)
        return taken

    def _arm(self, drawn: int) -> str:
        for name, share in self.shares:
            drawn -= share
            if drawn < 0:
                return name
        raise AssertionError("the shares sum to the whole")


@dataclass(frozen=True)
class Assign:
    """Set variables of the run, then go on. What a template gives is text until it is of its declared type."""

    values: Document
    templated: frozenset[str]
    port: str = NEXT


@dataclass(frozen=True)
class Ask:
    """Wait for a human's answer to the whole job; its word is the port. `on_expiry` is taken when none came."""

    until: datetime
    on_expiry: str


@dataclass(frozen=True)
class Deliver:
    """Send something outside, then go on. `request` renders to what the channel's adapter takes.

    What fails in a way that may pass is made again for `retry_for`, in at most `max_attempts` calls (None: any number).
    """

    channel: Literal["webhook", "email"]
    request: Document
    on_unknown: OnUnknown = "retry"
    max_attempts: int | None = None
    port: str = NEXT
    retry_for: timedelta = timedelta(minutes=30)


@dataclass(frozen=True)
class Finish:
    """The run ends here as `exited`."""

    reason: str


Plan = Advance | Record | Park | ByProperty | Branch | Split | Assign | Ask | Deliver | Finish


class Source(NamedTuple):
    """A template in a config: where it stands below the config, its text, and where its output goes."""

    pointer: str
    text: str
    place: Place = "text"


StepKind = Literal["action", "timing", "decision", "end"]
"""What a step does to a run: something happens, it waits, its way is chosen, it is over."""


class _ConfigSchema(GenerateJsonSchema):
    """JSON Schema 2020-12 without titles, which would only repeat the names."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


class StepType(ABC, Generic[C]):
    """A component of workflows. Subclasses are stateless; one instance of each stands in the catalogue.

    `id` is what a step's `type` says. With `lets_through`, people may pass a step that `waits` at once: a circle needs
    another wait. `needs_person` keeps it out of manual runs, which have none. Each of `examples` is a config that is
    valid as it stands; where the ways out depend on the config, they show different ones. `distribution` is the
    installed package that brought it, None for what ships. With `takes_secrets` its templates may name secrets, which
    are resolved when its `Deliver` leaves; it then says in `secret_uses` where they go.
    """

    id: str
    name: str
    category: str
    description: str
    Config: type[C]
    examples: Sequence[dict[str, Any]]
    external: bool = False
    waits: bool = False
    lets_through: bool = False
    sends_email: bool = False
    needs_person: bool = False
    takes_secrets: bool = False
    distribution: str | None = None

    def ports(self, config: C) -> tuple[str, ...]:
        """The ways out. `next` may lead nowhere, which ends the run as delivered; every other must be joined."""
        return (NEXT,)

    def templates(self, config: C) -> Iterable[Source]:
        """Every template in the config."""
        return ()

    def audiences(self, config: C) -> Iterable[tuple[str, Audience]]:
        """Every audience in the config, with the pointer of its conditions below the config."""
        return ()

    def check(self, config: C) -> Iterable[Problem]:
        """What the config's schema cannot say; pointers are below the config."""
        return ()

    def check_saved(self, config: C) -> Iterable[Problem]:
        """What is refused whenever it is saved or enabled, although what runs already goes on; pointers as above."""
        return ()

    def secret_uses(self, config: C) -> Iterable[SecretUse]:
        """Every secret that the config names, with the host to which it goes."""
        return ()

    def check_variables(self, config: C, declared: Mapping[str, str]) -> Iterable[Problem]:
        """What does not go with the workflow's variables, given by key and type; pointers are below the config."""
        return ()

    @abstractmethod
    def plan(self, config: C, now: datetime) -> Plan:
        """What happens to the people who stand here."""

    @property
    def kind(self) -> StepKind:
        """Follows from the ways out, and from whether people wait."""
        ports = self._example_ports[0]
        if ports == (NEXT,):
            return "timing" if self.waits else "action"
        return "decision" if ports else "end"

    def metadata(self) -> dict[str, Any]:
        """What an author needs to know to choose it. `ports` are those of the first example."""
        return {
            "id": self.id,
            "kind": self.kind,
            "name": self.name,
            "category": self.category,
            "description": self.description,
            "external": self.external,
            "waits": self.waits,
            "sends_email": self.sends_email,
            "needs_person": self.needs_person,
            "ports": list(self._example_ports[0]),
            "ports_vary": len(set(self._example_ports)) > 1,
            "distribution": self.distribution,
        }

    def as_data(self) -> dict[str, Any]:
        """What an author needs to know to write such a step."""
        schema = self.Config.model_json_schema(schema_generator=_ConfigSchema)
        return {**self.metadata(), "config_schema": schema, "examples": list(self.examples)}

    @property
    def _example_ports(self) -> list[tuple[str, ...]]:
        return [self.ports(self.Config.model_validate(example)) for example in self.examples]
