"""Who acts and when, and the roots of every event and aggregate.

This is the only module of the core that knows the `eventsourcing` library. An aggregate's method decides (it
returns, raises or emits); `evolve` only applies what is already a fact, so a guard that is tightened later
never makes an old stream unreadable.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Literal, Self
from uuid import UUID

from eventsourcing.domain import AggregateCreated, AggregateEvent, BaseAggregate
from eventsourcing.persistence import DatetimeAsISO, JSONTranscoder, Mapper, StoredEvent, UUIDAsHex
from eventsourcing.utils import register_topic
from pydantic_core import from_json

from aggregates.marks import PLAIN, is_mark, marks_in, wrapped
from aggregates.outside import OUTSIDE, Keep, Parting, putting_in, swapped, taking_out
from aggregates.policy import Limits

Source = Literal["web", "api", "mcp", "cli", "scheduler", "system"]


@dataclass(frozen=True)
class Principal:
    """Who acts: a key (or the system), what it may do, and through which door it came.

    `limits` narrow the policy for it: its project's, then its own. `owner` is the user who answers for it, `chain` has
    the ids of the keys that made it, oldest first.
    """

    project_id: UUID
    id: str
    scopes: frozenset[str]
    source: Source
    name: str = ""
    agent: bool = False
    on_behalf_of: str | None = None
    limits: tuple[Limits, ...] = ()
    rate_per_minute: int | None = None
    expires_at: datetime | None = None
    owner: str | None = None
    chain: tuple[str, ...] = ()

    @property
    def own_limits(self) -> Limits:
        """What its own key narrows, beyond its project."""
        return self.limits[-1] if self.limits else Limits()

    @property
    def guarded(self) -> bool:
        """Whether a confirm token is asked of this principal in addition to the count."""
        return self.agent or self.source == "mcp"


@dataclass(frozen=True)
class Meta:
    """What a command brings in from outside: the instant, the actor, and where the request came from."""

    now: datetime
    principal: Principal
    command_id: UUID
    request_id: str = ""
    via: str = ""
    client: str | None = None
    reason: str | None = None
    idempotency_key: str | None = None
    causation_id: str | None = None
    correlation_id: str | None = None

    def stamp(self) -> dict[str, str]:
        """The metadata that every event of this command carries; absent facts are left out."""
        facts = {
            "actor": self.principal.id,
            "source": self.principal.source,
            "on_behalf_of": self.principal.on_behalf_of,
            "owner": self.principal.owner,
            "chain": " ".join(self.principal.chain),
            "client": self.client,
            "via": self.via,
            "request_id": self.request_id,
            "reason": self.reason,
            "idempotency_key": self.idempotency_key,
            "causation_id": self.causation_id,
            "correlation_id": self.correlation_id or str(self.command_id),
            "command_id": str(self.command_id),
        }
        return {name: value for name, value in facts.items() if value}


class Event(AggregateEvent):
    """A recorded fact. Subclasses set an explicit `TOPIC`, which stored data refers to for ever.

    `OUTSIDE` names the fields whose values may be personal and are kept outside the log; `PARTED` those of which only
    the values inside are, with the function that knows where.
    """

    OUTSIDE: ClassVar[tuple[str, ...]] = ()
    PARTED: ClassVar[Mapping[str, Parting]] = {}
    meta: dict[str, str]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        topic = cls.__dict__.get("TOPIC")
        if topic:
            register_topic(topic, cls)

    def apply(self, aggregate: Any) -> None:
        aggregate.evolve(self)


class CreatedEvent(Event, AggregateCreated):
    """The first fact of a stream; it says which project the stream belongs to."""

    project_id: UUID


class Aggregate(BaseAggregate[UUID]):
    """A stream of facts and the guards in front of it.

    Subclasses set `TOPIC` and `KIND`, define `evolve(event)` and public commands. `status`, `due_at` (when somebody
    has to look at it again; None for never) and `parent_id` (what it belongs to) are what the store keeps beside the
    stream, so that others can find it without reading the stream.
    """

    KIND = ""

    # Attributes are declared here and in `evolve`, never on the class: the library turns a class with
    # annotations into a dataclass and would write its own `__init__`.
    def __init__(self, project_id: UUID) -> None:
        self.project_id = project_id
        self.status = ""
        self.due_at: datetime | None = None
        self.parent_id: UUID | None = None

    @classmethod
    def begin(cls, event: type[CreatedEvent], id: UUID, meta: Meta, **facts: Any) -> Self:
        """A new stream whose first fact is `event`."""
        return cls._create(
            event,
            id=id,
            timestamp=meta.now,
            meta=meta.stamp(),
            project_id=meta.principal.project_id,
            **facts,
        )

    def emit(self, event: type[Event], meta: Meta, **facts: Any) -> None:
        """Record one more fact and apply it."""
        self.trigger_event(event, timestamp=meta.now, meta=meta.stamp(), **facts)

    def evolve(self, event: Event) -> None:
        """Apply a fact; never refuses."""
        raise NotImplementedError

    def as_data(self) -> dict[str, Any]:
        """Its state as plain JSON. Names are those of its attributes, and tests pin them: who reads history needs them.

        What the library keeps, and the project, which every reader knows, are left out.
        """
        return {
            name: _plain(value)
            for name, value in sorted(vars(self).items())
            if not name.startswith("_") and name != "project_id"
        }


def _plain(value: Any) -> Any:
    """A value of an aggregate's state as JSON has it; values of ours say themselves how they are written."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case datetime():
            return value.isoformat()
        case UUID():
            return str(value)
        case Mapping():
            return {str(name): _plain(inner) for name, inner in value.items()}
        case list() | tuple():
            return [_plain(inner) for inner in value]
        case set() | frozenset():
            return sorted(map(_plain, value))
        case _:
            return _plain(value.as_data())


_MARK = b'"_type_"'


class _Transcoder(JSONTranscoder):
    """The library's JSON, which takes every object with `_type_` and `_data_` for a mark of its own.

    Tenants choose the names in their content and variables. So an object of theirs that has a member `_type_` is
    wrapped when it is stored, and decode(encode(x)) == x for any JSON. Reading is four times as fast as the library's,
    which calls a function for each object in an event.
    """

    def encode(self, obj: Any) -> bytes:
        data = super().encode(obj)
        # Most states have no more of these texts than ids and instants at the top, and need no second look.
        return data if data.count(_MARK) == marks_in(obj) else super().encode(wrapped(obj))

    def decode(self, data: bytes) -> Any:
        marks = data.count(_MARK)
        try:
            state: Any = from_json(data, cache_strings="keys")
        except ValueError:
            state = json.loads(data)  # nested very deeply, or broken: then this says how
        if marks == 0 or not isinstance(state, dict):
            return self._read(state) if marks else state
        # Marks are of ids and instants, nearly all at the top; a state with one deeper is read whole.
        tops = {name: value for name, value in state.items() if type(value) is dict and is_mark(value)}
        if len(tops) == marks:
            return state | {name: self._read(value) for name, value in tops.items()}
        return {name: self._read(value) for name, value in state.items()}

    def _read(self, value: Any) -> Any:
        """What a stored value stands for; a mark that is none of ours is what it looks like."""
        if type(value) is list:
            return [self._read(inner) for inner in value]
        if type(value) is not dict:
            return value
        if is_mark(value):
            name, data = value["_type_"], value["_data_"]
            if name == PLAIN and type(data) is dict:
                return {key: self._read(inner) for key, inner in data.items()}
            if isinstance(name, str) and name in self.names and isinstance(data, str):
                try:
                    return self.names[name].decode(data)
                except ValueError:
                    return value
        return {key: self._read(inner) for key, inner in value.items()}


def _mapper() -> Mapper[UUID]:
    transcoder = _Transcoder()
    transcoder.register(UUIDAsHex())
    transcoder.register(DatetimeAsISO())
    return Mapper(transcoder)


_MAPPER = _mapper()


_NAME = f'"{OUTSIDE}"'.encode()


def encode(event: Event, keep: Keep | None = None) -> tuple[str, bytes]:
    """An event as it is stored: its topic and its state as JSON, in which `keep` has taken the values outside."""
    stored = _MAPPER.to_stored_event(event if keep is None else _skeleton(event, keep))
    return stored.topic, stored.state


def decode(
    originator_id: UUID, originator_version: int, topic: str, state: bytes, values: Mapping[str, Any] | None = None
) -> Event:
    """A stored event as an object. Raises when no class claims the topic or the state is broken.

    `values` are those kept outside, by their digests. One that is not among them was erased: a marker takes its place.
    """
    event = _MAPPER.to_domain_event(StoredEvent(originator_id, originator_version, topic, state))
    assert isinstance(event, Event)
    if _NAME in state:
        vars(event).update(swapped(event, putting_in(values or {})))
    return event


def told(state: bytes) -> dict[str, Any]:
    """What a stored state says, as plain JSON: ids and instants are texts. ValueError when it is broken."""
    found = _MAPPER.transcoder.decode(state)
    return {name: _plain(value) for name, value in found.items()}


def _skeleton(event: Event, keep: Keep) -> Event:
    """The event as the log has it; itself when it keeps nothing outside."""
    changed = swapped(event, taking_out(keep))
    if not changed:
        return event
    skeleton = copy(event)
    vars(skeleton).update(changed)
    return skeleton


def fold(events: Iterable[Event]) -> Aggregate | None:
    """The aggregate that a stream adds up to; None for an empty stream."""
    aggregate: Aggregate | None = None
    for event in events:
        aggregate = event.mutate(aggregate)
    return aggregate
