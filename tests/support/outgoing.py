"""What leaves the house in a test: a sender with pauses of no length, requests, and their outcomes."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid5

from engine.clock import SystemClock
from engine.demo.receivers import Answer, HttpReceiver
from tests.support.receivers import in_turn
from workers.delivery import Deliveries, Outcome, Outgoing
from workers.delivery.email import Emails, Relay
from workers.delivery.outbound import Outbound
from workers.delivery.webhook import Webhooks

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NAMESPACE = UUID(int=1)


def effect(number: int = 0) -> UUID:
    return uuid5(NAMESPACE, str(number))


def deliveries(*allow: str, relay: str = "smtp://127.0.0.1:1", seconds: float = 20) -> Deliveries:
    """The real thing, with pauses of no length."""
    clock = SystemClock()
    emails = Emails(Relay.parse(relay), "Tidegate <hello@example.com>", clock.now, lambda _: 0.0)
    return Deliveries(
        lambda: Webhooks(Outbound(allow), lambda _: [SECRET], clock.now, lambda _: 0.0), emails, clock, seconds
    )


def webhook(url: str, number: int = 0, attempt: int = 1, **request: Any) -> Outgoing:
    whole = {"method": "POST", "url": url, "headers": {}, "timeout_seconds": 5, "max_attempts": 5, "body": {"a": "b"}}
    return Outgoing(effect(number), "webhook", whole | request, attempt, project_id=NAMESPACE)


def mail(number: int = 0, **request: Any) -> Outgoing:
    whole = {"to": "ann@example.com", "subject": "Hello", "text": "Good day", "max_attempts": 5}
    return Outgoing(effect(number), "email", whole | request, project_id=NAMESPACE)


def answered(sender: Deliveries, *answers: Answer | int | None, **request: Any) -> tuple[Outcome, HttpReceiver]:
    with HttpReceiver(SECRET, in_turn(*answers)) as receiver:
        (outcome,) = sender.send_many([webhook(f"{receiver.url}/hook", **request)])
    return outcome, receiver
