"""What is recorded of a call that was refused. What was sent with it never appears here."""

from __future__ import annotations

from uuid import UUID

from aggregates.base import CreatedEvent


class CallRefused(CreatedEvent):
    """Somebody asked for a command or a read, by its `name`, and was refused with `code`.

    `subject_id` is the workflow, schedule, batch job or key that it was about, as the caller named it: it may be
    unknown, or another project's.
    """

    TOPIC = "call.refused.v1"
    name: str
    code: str
    kind: str
    subject_id: UUID | None
