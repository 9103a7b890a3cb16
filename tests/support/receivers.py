"""Scripts for the product's own receivers: what an endpoint answers, first, second, and so on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from engine.demo.receivers import Answer, Received


def in_turn(*answers: Answer | int | None) -> Callable[[Received], Answer]:
    """Each idempotency key gets these answers one after the other; the last one stays."""
    seen: Counter[str] = Counter()

    def respond(received: Received) -> Answer:
        answer = answers[min(seen[received.id], len(answers) - 1)]
        seen[received.id] += 1
        return answer if isinstance(answer, Answer) else Answer(answer)

    return respond
