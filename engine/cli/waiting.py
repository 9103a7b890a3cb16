"""What is said when a human has to confirm what was asked for."""

from __future__ import annotations

from typing import Any

from engine.cli.output import Output


def waits(out: Output, answer: dict[str, Any]) -> bool:
    """Whether a human has to confirm what was asked; then say how, and that nothing has happened."""
    if not answer.get("confirm_url"):
        return False
    out.say("A human who did not ask for it has to confirm it. Nothing has happened. Do not repeat the call.")
    out.say(f"hand this on: {answer['confirm_url']}")
    return True
