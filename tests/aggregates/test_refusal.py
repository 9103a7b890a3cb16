"""A refused call: what is recorded of it, and what is not."""

from __future__ import annotations

from uuid import UUID

from aggregates.errors import DomainError
from aggregates.refusal.aggregate import Refusal
from tests.support.aggregates import NOW, PROJECT, facts, meta


def test_a_refusal_says_who_asked_for_what_and_why_it_was_not_done() -> None:
    why = DomainError("audience.drift", "Now 5; acknowledged 3.", details={"now": 5})
    life = Refusal.record(UUID(int=9), why, name="RunBatch", subject_id=UUID(int=2), meta=meta(via="POST /run"))
    assert (life.status, life.parent_id, life.due_at) == ("refused", UUID(int=2), None)
    (event,) = facts(life)
    own = {name: value for name, value in vars(event).items() if name in {"name", "code", "kind", "subject_id"}}
    assert own == {"name": "RunBatch", "code": "audience.drift", "kind": "conflict", "subject_id": UUID(int=2)}
    assert (event.timestamp, life.project_id) == (NOW, PROJECT)
    assert event.meta.items() >= {"actor": "key1", "source": "api", "via": "POST /run", "request_id": "r1"}.items()


def test_nothing_that_was_sent_is_in_it() -> None:
    why = DomainError("policy.invalid", "Ann may not.", details={"name": "Ann"}, next="Ask Ann.")
    life = Refusal.record(UUID(int=9), why, name="SetPolicy", subject_id=None, meta=meta(reason="Ann said so"))
    (event,) = facts(life)
    assert "Ann" not in str(vars(event))
