"""Dramatiq: one message a person. `python -m benchmarks.peers.dramatiq_app N` sends them."""

from __future__ import annotations

import sys

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from benchmarks.peers import work

broker = RedisBroker(url=f"unix://{work.REDIS_SOCKET}?db=1")
dramatiq.set_broker(broker)


@dramatiq.actor
def deliver(person: int) -> None:
    work.deliver(person)


if __name__ == "__main__":
    # Run as a module, this file is `__main__`; the workers know the actor by its name alone.
    for person in range(int(sys.argv[1])):
        deliver.send(person)
