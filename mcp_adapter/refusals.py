"""A refusal as an agent reads it. The codes are those of every door; the next step names a tool of the address."""

from __future__ import annotations

import json
from typing import Any

from mcp import types

from aggregates.errors import DomainError
from mcp_adapter.texts import BATCH, Texts

MOST_ERRORS = 30
"""Errors that one refusal lists; `details.more_errors` counts the rest."""


def problem_of(error: DomainError, texts: Texts = BATCH) -> dict[str, Any]:
    """Everything that is known of a refusal, as plain data, with the next step in the words of an address."""
    details = dict(error.details)
    if len(error.problems) > MOST_ERRORS:
        details["more_errors"] = len(error.problems) - MOST_ERRORS
    return {
        "code": error.code,
        "message": error.message,
        "details": details,
        "errors": [problem.as_data() for problem in error.problems[:MOST_ERRORS]],
        "next": texts.next_step(error),
    }


def refused(error: DomainError, texts: Texts = BATCH) -> types.CallToolResult:
    """The whole problem in the text, because clients show a model nothing else of an error."""
    return types.CallToolResult(content=[text_of(problem_of(error, texts))], is_error=True)


def text_of(data: object) -> types.TextContent:
    """Plain data as compact JSON."""
    return types.TextContent(text=json.dumps(data, ensure_ascii=False, separators=(",", ":"), default=str))
