"""Celery: chunks of 100 persons, acknowledged when done. `python -m benchmarks.peers.celery_app N` sends them."""

from __future__ import annotations

import sys

from celery import Celery

from benchmarks.peers import work

app = Celery("peers", broker=f"redis+socket://{work.REDIS_SOCKET}?virtual_host=2")
app.conf.update(task_acks_late=True, task_ignore_result=True, worker_prefetch_multiplier=1)


@app.task(name="deliver")
def deliver(person: int) -> None:
    work.deliver(person)


if __name__ == "__main__":
    deliver.chunks(((person,) for person in range(int(sys.argv[1]))), 100).apply_async()
