"""The bell: one kind of Dramatiq message that says "look at this job", and nothing else.

The broker may lose, repeat or reorder bells; PostgreSQL knows what is to be done, and the sweep rings again.
So there is no retry and no dead letter here, and a message carries an id only.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast
from uuid import UUID

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from redis.exceptions import RedisError, ResponseError

from projections.view import Unreachable

T = TypeVar("T")

logger = logging.getLogger(__name__)

NAMESPACE = "tidegate"
QUEUE = "jobs"
ACTOR = "advance"

LISTEN_SECONDS = 0.25
"""How long an idle worker waits for a bell before it looks whether it is to stop. A bell wakes it at once."""

LOOK_MILLISECONDS = 20
"""How long a worker sleeps at most before it listens again; one with its hands full looks as often for a free one."""

HEARTBEAT_MILLISECONDS = 15_000
"""After how long the broker takes a silent worker for dead; the sweep does not wait for it."""

MAINTENANCE_CHANCE = 100_000
"""In a million commands: how often the broker looks for messages of dead workers."""


LOOKED_AT = 1_000
"""Bells at the front of the line that are looked at to see who waits."""

WRONG_TYPE = "WRONGTYPE"


class Line(RedisBroker):
    """Waits for bells, and looks seldom into the library's second queue, in which we never put anything."""

    def mended(self, ask: Callable[[], T]) -> T:
        """What the server says; when a key is of another type than ours, our keys are thrown away first.

        All that they hold may be lost, and as long as that one was there no bell would be heard.
        """
        try:
            return ask()
        except ResponseError as error:
            if WRONG_TYPE not in str(error):
                raise
        logger.warning("a key of the broker is not of our making; the bells are thrown away and will be rung again")
        for key in self.client.scan_iter(f"{NAMESPACE}:*", count=1000):
            self.client.delete(key)
        return ask()

    def _dispatch(self, command: str) -> Callable[..., Any]:
        """The library's one way to the server."""
        dispatch = super()._dispatch(command)  # type: ignore[no-untyped-call]
        return lambda *args: self.mended(lambda: dispatch(*args))

    def do_fetch(self, queue_name: str, count: int) -> list[bytes]:
        """Bells for a worker; when there is none it waits for one instead of looking again and again."""
        fetch = self._dispatch("fetch")
        found: list[bytes] = fetch(queue_name, count)
        line = f"{NAMESPACE}:{queue_name}"
        # The last bell moves to where it is: nothing changes, but whoever waits for one to move hears of any bell.
        if not found and queue_name == QUEUE:
            heard = self.client.blmove(line, line, LISTEN_SECONDS, "RIGHT", "RIGHT")  # type: ignore[arg-type]  # floats may be
            found = fetch(queue_name, count) if heard else found
        return found

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> dramatiq.Consumer:
        return super().consume(queue_name, prefetch, LOOK_MILLISECONDS if queue_name == QUEUE else timeout)


def connect(redis_url: str) -> Line:
    """A broker without middleware: no retries, no time limits, no results."""
    return Line(  # type: ignore[no-untyped-call]  # the library leaves its keywords untyped
        url=redis_url,
        middleware=[],
        namespace=NAMESPACE,
        heartbeat_timeout=HEARTBEAT_MILLISECONDS,
        maintenance_chance=MAINTENANCE_CHANCE,
    )


def declare(broker: dramatiq.Broker, advance: Callable[[str], None]) -> None:
    """The one actor of the product."""
    dramatiq.actor(actor_name=ACTOR, queue_name=QUEUE, broker=broker)(advance)


class Bells:
    """Rings for jobs. Ringing too often is harmless, as long as it does not keep other jobs waiting."""

    def __init__(self, broker: Line) -> None:
        self._broker = broker
        self._rung_again: dict[UUID, str] = {}
        broker.declare_queue(QUEUE)

    def ring(self, job_id: UUID, times: int = 1) -> None:
        """Ask for some workers to look at a job. Raises Unreachable when the broker is away."""
        for _ in range(times):
            self._ring(job_id)

    def ring_again(self, job_ids: Sequence[UUID]) -> None:
        """Ring for jobs whose bell may be lost. Raises Unreachable when the broker is away.

        Not for one whose bell of the last time still stands in the line: workers who are busy for a minute would find
        thousands of bells there, and a new job would wait behind them all.
        """
        waiting = self._waiting()
        self._rung_again = {
            id: self._rung_again[id] if self._rung_again.get(id) in waiting else self._ring(id) for id in job_ids
        }

    def waiting(self) -> set[UUID]:
        """Jobs whose bells stand at the front of the line; none when the broker is away."""
        try:
            line = self._line(LOOKED_AT)
            held = self._broker.client.hmget(f"{NAMESPACE}:{QUEUE}.msgs", line) if line else []
        except RedisError:
            return set()
        messages = [dramatiq.Message.decode(each) for each in cast("list[bytes | None]", held) if each is not None]
        return {UUID(message.args[0]) for message in messages}

    def _ring(self, job_id: UUID) -> str:
        """The bell's id in the line."""
        message: dramatiq.Message[None] = dramatiq.Message(
            queue_name=QUEUE, actor_name=ACTOR, args=(str(job_id),), kwargs={}, options={}
        )
        try:
            return str(self._broker.enqueue(message).options["redis_message_id"])
        except RedisError as error:
            raise Unreachable from error

    def _waiting(self) -> set[str]:
        """The bells that nobody has taken. One that a worker has taken is not there, whatever became of the worker."""
        try:
            return {id.decode() for id in self._line(0)}
        except RedisError as error:
            raise Unreachable from error

    def _line(self, most: int) -> list[bytes]:
        """The ids at the front of the line; all of them for 0."""
        return self._broker.mended(
            lambda: cast("list[bytes]", self._broker.client.lrange(f"{NAMESPACE}:{QUEUE}", 0, most - 1))
        )
