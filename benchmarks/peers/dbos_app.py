"""DBOS: one workflow with one step a person, enqueued as documented by eight threads of a client.

`python -m benchmarks.peers.dbos_app work NUMBER` is a worker; `python -m benchmarks.peers.dbos_app N` enqueues.
"""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from dbos import DBOS, DBOSClient

from benchmarks.peers import work

VERSION = "1"
QUEUE = "deliveries"


@DBOS.step(name="deliver")
def deliver(person: int) -> None:
    work.deliver(person)


@DBOS.workflow(name="reach")
def reach(person: int) -> None:
    deliver(person)


def enqueue(people: int) -> None:
    client = DBOSClient(system_database_url=work.DATABASE)
    options = {"workflow_name": "reach", "queue_name": QUEUE, "app_version": VERSION}
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda person: client.enqueue(options, person), range(people)))


def serve(number: str) -> None:
    DBOS(
        config={
            "name": "peers",
            "system_database_url": work.DATABASE,
            "executor_id": f"executor-{number}",
            "application_version": VERSION,
            "log_level": "WARNING",
            "run_admin_server": False,
        }
    )
    DBOS.launch()
    DBOS.register_queue(QUEUE, worker_concurrency=100, polling_interval_sec=0.05)
    threading.Event().wait()


if __name__ == "__main__":
    if sys.argv[1] == "work":
        serve(sys.argv[2])
    else:
        enqueue(int(sys.argv[1]))
