"""The bell: one kind of Dramatiq message that says "look at this job", and nothing else.

The broker may lose, repeat or reorder bells; PostgreSQL knows what is to be done, and the sweep rings again.
So there is no retry and no dead letter here, and a message carries an id only.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from redis.exceptions import RedisError

from projections.view import Unreachable

QUEUE = "jobs"
ACTOR = "advance"

HEARTBEAT_MILLISECONDS = 15_000
"""After how long the broker takes a silent worker for dead; the sweep does not wait for it."""

MAINTENANCE_CHANCE = 100_000
"""In a million commands: how often the broker looks for messages of dead workers."""


def connect(redis_url: str) -> RedisBroker:
    """A broker without middleware: no retries, no time limits, no results."""
    return RedisBroker(  # type: ignore[no-untyped-call]  # the library leaves its keywords untyped
        url=redis_url,
        middleware=[],
        namespace="tidegate",
        heartbeat_timeout=HEARTBEAT_MILLISECONDS,
        maintenance_chance=MAINTENANCE_CHANCE,
    )


def declare(broker: dramatiq.Broker, advance: Callable[[str], None]) -> None:
    """The one actor of the product."""
    dramatiq.actor(actor_name=ACTOR, queue_name=QUEUE, broker=broker)(advance)


class Bells:
    """Rings for jobs. Ringing too often is harmless."""

    def __init__(self, broker: dramatiq.Broker) -> None:
        self._broker = broker
        broker.declare_queue(QUEUE)

    def ring(self, job_id: UUID, times: int = 1) -> None:
        """Ask for some workers to look at a job. Raises Unreachable when the broker is away."""
        for _ in range(times):
            message: dramatiq.Message[None] = dramatiq.Message(
                queue_name=QUEUE, actor_name=ACTOR, args=(str(job_id),), kwargs={}, options={}
            )
            try:
                self._broker.enqueue(message)
            except RedisError as error:
                raise Unreachable from error
