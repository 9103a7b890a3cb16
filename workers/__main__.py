"""The processes of time and work: `python -m workers worker|projector|scheduler`."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable

from dramatiq import Worker

from engine.bootstrap import System, build
from engine.errors import StartupError
from engine.health import joined
from engine.logs import configure, connected_to
from engine.presence import present
from engine.settings import load_settings
from engine.supervise import StopSignals
from projections.reads import VIEWS
from projections.runner import Runner
from workers.broker import Bells, connect, declare
from workers.delivery import Deliveries
from workers.fanout import Fanout
from workers.reactions import Reactions
from workers.scheduler import Scheduler
from workers.sending import Sender
from workers.telling import WRITTEN_EVERY_SECONDS
from workers.tidemarks import Tidemarks
from workers.world import DatabaseWorld

logger = logging.getLogger("workers")

IDLE_MILLISECONDS = 250
"""How often an idle thread looks whether the process is to stop. A bell that was found wakes it at once."""

JOIN_SECONDS = 1.0
"""How long a process that starts while the database is away waits before it looks again."""

STOP_SECONDS = 25.0
"""How long what is under way may take to end: less than the supervisor waits. What does not end has an outcome that
nobody knows, as after a death."""


def work(system: System, stopped: StopSignals) -> None:
    """Answer bells with a few threads until told to stop; then nothing is begun, and what was begun is recorded."""
    broker = connect(_redis(system))
    system.fence.remember_in(Tidemarks(broker.client))
    bells = Bells(broker)
    deliveries = Deliveries.from_settings(system.settings, system.secrets, system.clock)
    sender = Sender(system, deliveries, lambda connection, project: DatabaseWorld(connection, system, project))
    fanout = Fanout(system, sender, bells.ring, bells.waiting)
    declare(broker, fanout.advance)
    worker = Worker(
        broker,
        worker_threads=system.settings.worker_threads,
        worker_timeout=IDLE_MILLISECONDS,
    )
    # No more than it can do at once: bells that one process hoards are workers that the others lack.
    worker.queue_prefetch = system.settings.worker_threads
    worker.start()
    while not stopped.wait(WRITTEN_EVERY_SECONDS):
        sender.telling.write()
    until = system.clock.monotonic() + STOP_SECONDS
    sender.stop()
    worker.stop(timeout=int(STOP_SECONDS * 1000))
    sender.errands.wait(max(0.0, until - system.clock.monotonic()))
    deliveries.close()
    sender.errands.close()
    fanout.close()
    sender.telling.write(at_once=True)
    broker.close()


def project(system: System, stopped: StopSignals) -> None:
    """Keep the views at the end of the log."""
    Runner(system.engine, [view() for view in VIEWS]).follow(stopped.is_set)


def schedule(system: System, stopped: StopSignals) -> None:
    """Turn the log into bells, wake parked runs, sweep."""
    broker = connect(_redis(system))
    system.fence.remember_in(Tidemarks(broker.client))
    bells = Bells(broker)
    reactions = Runner(system.engine, [Reactions(bells, system.settings.drainers)])
    follower = threading.Thread(target=reactions.follow, args=(stopped.is_set,), name="reactions")
    follower.start()
    Scheduler(system, bells).run(stopped)
    follower.join()
    broker.close()


ROLES: dict[str, Callable[[System, StopSignals], None]] = {
    "worker": work,
    "projector": project,
    "scheduler": schedule,
}


def main(role: str) -> None:
    settings = load_settings()
    configure(settings, process=role)
    with StopSignals() as stopped:
        system = build(settings)
        try:
            while not (joined(system) or stopped.wait(JOIN_SECONDS)):
                pass
            if not stopped.is_set():
                with present(system, role):
                    logger.info("process.ready", extra=connected_to(settings))
                    ROLES[role](system, stopped)
                    logger.info("process.stopped")
        finally:
            system.close()


def _redis(system: System) -> str:
    assert system.settings.redis_url is not None, "services were not resolved"
    return system.settings.redis_url


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in ROLES:
        sys.exit(f"usage: python -m workers {'|'.join(ROLES)}")
    try:
        main(sys.argv[1])
    except StartupError as error:
        sys.exit(str(error))
