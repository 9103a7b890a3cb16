"""Asks the human through the client, where the client can: it shows a form, and sends the answer with its next try.

The SDK seals the question into the state that the client carries, for one principal, one tool and these arguments, so
any process can take the answer up. It is the client's word, and no guard rests on it: the count and the token are
asked for in any case. So is the address where a human confirms what is held: a client that can is made to open it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
from anyio import to_thread
from mcp.server.context import ServerRequestContext
from mcp.server.elicitation import AcceptedElicitation
from mcp.server.mcpserver.context import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.resolve import Elicit, Resolve, build_resolver_plans, resolve_arguments
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.types import CallToolRequestParams, ElicitRequest, ElicitRequestURLParams, InputRequiredResult
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import BaseModel, Field

from aggregates.errors import DomainError
from engine.secrets import Secrets
from mcp_adapter.tool import Question

OFFERED = "confirm_url"
"""Under which name a client is asked to open the address where a human confirms."""


class Form(BaseModel):
    """What the human fills in."""

    people: int = Field(title="How many people", description="Type the number of people.")
    go_on: bool = Field(title="Contact them now", description="Yes or no.")


def sealed(secrets: Secrets, audience: str) -> RequestStateBoundary:
    """What seals the state between two tries, alike in every process of an installation."""
    security = RequestStateSecurity(keys=[secrets.derive("mcp request state")])
    return RequestStateBoundary(security, default_audience=audience)


def can_ask(ctx: ServerRequestContext[Any, Any]) -> bool:
    """Whether the client can show a form. With the older protocols there is no way back to it across processes."""
    elicitation = ctx.session.client_capabilities.elicitation if ctx.session.client_capabilities else None
    if ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS or elicitation is None:
        return False
    return elicitation.form is not None or elicitation.url is None


async def ask(
    ctx: ServerRequestContext[Any, Any],
    params: CallToolRequestParams,
    question: Callable[[], Question | None],
    threads: anyio.CapacityLimiter,
) -> InputRequiredResult | None:
    """What the client has to ask, or None when there is nothing to ask or the human agreed.

    Raises `confirm.declined`, and whatever `question` refuses.
    """
    human = _Human(question, threads)
    parts = {"answer": (Resolve(human), True)}
    context: Context[Any, Any] = Context(request_context=ctx, input_params=params)
    try:
        found = await resolve_arguments(parts, build_resolver_plans(parts, set()), {}, context)
    except ToolError:  # an answer that does not fit the form
        raise DomainError("confirm.declined", details={"answer": "unreadable"}) from None
    if isinstance(found, InputRequiredResult):
        return found
    answer = found["answer"]
    if human.people is None:
        return None
    if not isinstance(answer, AcceptedElicitation):
        raise DomainError("confirm.declined", details={"answer": answer.action})
    if not answer.data.go_on:
        raise DomainError("confirm.declined", details={"answer": "no"})
    if answer.data.people != human.people:
        raise DomainError("confirm.declined", details={"answer": answer.data.people, "acknowledged": human.people})
    return None


def offer(
    ctx: ServerRequestContext[Any, Any], params: CallToolRequestParams, url: str | None
) -> InputRequiredResult | None:
    """What has a client open the address where a human confirms, once for a call; None where it cannot, or has.

    The call has been carried out, and its next try answers the same. Whatever comes back decides nothing.
    """
    elicitation = ctx.session.client_capabilities.elicitation if ctx.session.client_capabilities else None
    if ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS or elicitation is None or elicitation.url is None:
        return None
    if url is None or OFFERED in (params.input_responses or {}):
        return None
    message = "A person who did not ask for this has to confirm it. Nothing happens before."
    request = ElicitRequest(params=ElicitRequestURLParams(message=message, url=url))
    return InputRequiredResult(input_requests={OFFERED: request})


class _Human:
    """Runs in each try, so the question that an answer belongs to is compared with the one of this moment."""

    def __init__(self, question: Callable[[], Question | None], threads: anyio.CapacityLimiter) -> None:
        self._question = question
        self._threads = threads
        self.people: int | None = None

    async def __call__(self) -> Elicit[Form] | None:
        question = await to_thread.run_sync(self._question, limiter=self._threads)
        if question is None:
            return None
        self.people = question.people
        return Elicit(question.text, Form)
