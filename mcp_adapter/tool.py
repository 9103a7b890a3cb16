"""What a tool is, and what its handler receives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, TypeVar

from mcp import types

from aggregates.base import Meta, Principal
from aggregates.errors import DomainError
from commands.bus import Rehearsal
from commands.context import Accepted
from commands.grants import COMMANDS, READS
from engine.bootstrap import System
from mcp_adapter.schemas import Answer, Arguments, answer_schema_of, schema_of

A = TypeVar("A", bound=Arguments)
R = TypeVar("R", bound=Answer)


@dataclass(frozen=True)
class Call:
    """One call of a tool: who asks, through which client, and the ways on."""

    system: System
    principal: Principal
    tool: str
    request_id: str
    client: str | None = None
    accepted: list[Accepted] = field(default_factory=list)
    """What commands were answered with, the last one last."""

    @property
    def _origin(self) -> dict[str, Any]:
        return {"via": f"mcp:{self.tool}", "request_id": self.request_id, "client": self.client}

    def admit(self, grant: str, given: Mapping[str, Any]) -> None:
        """Refuse who may not ask for a command or a read, or not now; its ids tell what it is about."""
        self.system.admit(self.principal, grant, given, **self._origin)

    def refused(self, refusal: DomainError, grant: str, given: Mapping[str, Any]) -> None:
        """Record a refusal of this door's own."""
        self.system.refused(refusal, self.principal, grant, given, **self._origin)

    def dispatch(self, command: Any, *, idempotency_key: str | None = None, reason: str | None = None) -> Accepted:
        """Ask for something to be done; when this returns, reads show it (or the views are two seconds behind)."""
        accepted = self.system.bus.dispatch(command, self._meta(idempotency_key, reason))
        # An agent has no way to ask for a position, so its next read must not be older than this answer.
        with suppress(DomainError):
            self.system.reads.wait_for(accepted.position)
        self.accepted.append(accepted)
        return accepted

    def rehearse(self, command: Any, *, idempotency_key: str | None = None) -> Rehearsal:
        """What `dispatch` would say now; nothing is done."""
        return self.system.bus.rehearse(command, self._meta(idempotency_key))

    def _meta(self, idempotency_key: str | None, reason: str | None = None) -> Meta:
        return self.system.meta(self.principal, **self._origin, idempotency_key=idempotency_key, reason=reason)


@dataclass(frozen=True)
class Question:
    """What a human is asked before a call is carried out: the text, and the number that they have to type."""

    text: str
    people: int


@dataclass(frozen=True)
class Effect:
    """What a tool does to the world; clients show it to people, and no guard rests on it."""

    reads_only: bool = False
    destroys: bool = False
    repeatable: bool = True
    reaches_out: bool = False

    def as_hints(self) -> types.ToolAnnotations:
        return types.ToolAnnotations(
            read_only_hint=self.reads_only,
            destructive_hint=self.destroys,
            idempotent_hint=self.repeatable,
            open_world_hint=self.reaches_out,
        )


READS_ONLY = Effect(reads_only=True)


@dataclass(frozen=True)
class Tool(Generic[A, R]):
    """A name that is final, texts that are constants, and the one command or read that it stands for.

    `grant` names that command or read; scopes follow from it. `settled` says that there is nothing left to wait for,
    in tools whose arguments have `wait_seconds`. `asks` is what the human is asked first, where the client can ask; it
    refuses what the handler would refuse, and is None where there is nothing left to agree to.
    """

    name: str
    title: str
    description: str
    grant: str
    arguments: type[A]
    answer: type[R]
    effect: Effect
    handler: Callable[[Call, A], R]
    settled: Callable[[R], bool] | None = None
    asks: Callable[[Call, A], Question | None] | None = None

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes that a key needs, from the one table of grants."""
        return {**COMMANDS, **READS}[self.grant]

    @cached_property
    def listing(self) -> types.Tool:
        """The tool as clients see it."""
        return types.Tool(
            name=self.name,
            title=self.title,
            description=self.description,
            input_schema=schema_of(self.arguments),
            output_schema=answer_schema_of(self.answer),
            annotations=self.effect.as_hints(),
        )

    def open_to(self, principal: Principal) -> bool:
        """Whether the principal has every scope that the tool needs."""
        return principal.scopes.issuperset(self.scopes)
