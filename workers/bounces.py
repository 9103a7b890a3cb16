"""Addresses that a mail server says there are not: nothing is sent to them any more, by whichever job."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from commands.consent import Suppress
from engine.bootstrap import System, system_principal
from workers.jobs import WorkingJob

logger = logging.getLogger(__name__)


def suppress(system: System, job: WorkingJob, addresses: Iterable[str]) -> None:
    """Suppress these addresses of the job's project as hard bounces, each with its event. To do so again is harmless.

    What cannot be written now is logged: the next message to the address bounces again.
    """
    principal = system_principal(job.project_id, name="bounces")
    for address in sorted(set(addresses)):
        meta = system.meta(principal, via="workers.bounces", correlation_id=str(job.id))
        try:
            system.bus.dispatch(Suppress(address, "hard_bounce", "smtp"), meta)
        except Exception:
            logger.exception("an address that bounced in job %s could not be suppressed now", job.id)
