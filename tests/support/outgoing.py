"""What leaves the house in a test: a sender, requests, and their outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid5

from engine.clock import SystemClock
from engine.demo.receivers import Answer, HttpReceiver
from tests.support.receivers import in_turn
from workers.delivery import Deliveries, Outcome, Outgoing
from workers.delivery.email import Emails
from workers.delivery.outbound import Outbound
from workers.delivery.places import Places
from workers.delivery.relay import RELAY, Relay
from workers.delivery.retries import NOT_BEGUN
from workers.delivery.webhook import Webhooks, place_of

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NAMESPACE = UUID(int=1)
PATIENCE = 30.0


def effect(number: int = 0) -> UUID:
    return uuid5(NAMESPACE, str(number))


class Sending(Deliveries):
    """The real thing, of which a test waits for all that it sends."""

    def send_many(self, requests: Sequence[Outgoing]) -> list[Outcome]:
        """The outcome of each request, in their order; as many at a time as have places, and not those who get none."""
        outcomes: dict[UUID, Outcome] = {}
        left = list(requests)
        while taken := [each for each in left if self.places.take(each.place, each.project_id)]:
            flight = self.begin(taken, self.monotonic() + PATIENCE)
            assert flight.wait(PATIENCE)
            outcomes |= {outcome.effect_id: outcome for outcome in flight.landed()}
            left = [each for each in left if each not in taken]
        outcomes |= {each.effect_id: NOT_BEGUN.outcome(each) for each in left}
        return [outcomes[each.effect_id] for each in requests]


def deliveries(*allow: str, relay: str = "smtp://127.0.0.1:1", per_host: int = 50, conversations: int = 8) -> Sending:
    clock = SystemClock()
    places = Places(clock.monotonic, per_host=per_host, total=200, conversations=conversations)
    emails = Emails(Relay.parse(relay), "Tidegate <hello@example.com>", clock.now, places)
    return Sending(lambda: Webhooks(Outbound(allow), lambda _: [SECRET], clock.now), emails, places, clock)


def webhook(url: str, number: int = 0, **request: Any) -> Outgoing:
    whole = {"method": "POST", "url": url, "headers": {}, "timeout_seconds": 5, "body": {"a": "b"}}
    return Outgoing(effect(number), "webhook", whole | request, place_of(url), NAMESPACE)


def mail(number: int = 0, **request: Any) -> Outgoing:
    whole = {"to": "ann@example.com", "subject": "Hello", "text": "Good day"}
    return Outgoing(effect(number), "email", whole | request, RELAY, NAMESPACE)


def answered(sender: Sending, *answers: Answer | int | None, **request: Any) -> tuple[Outcome, HttpReceiver]:
    with HttpReceiver(SECRET, in_turn(*answers)) as receiver:
        (outcome,) = sender.send_many([webhook(f"{receiver.url}/hook", **request)])
    return outcome, receiver
