"""Lists the tools and calls them. Every request stands for itself: nothing of one is remembered for the next."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from typing import Any

import anyio
from anyio import to_thread
from mcp import MCPError, types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server

from aggregates.base import Principal
from aggregates.errors import DomainError
from engine.bootstrap import System
from engine.http.pressure import aside
from engine.ids import new_id
from mcp_adapter import empty
from mcp_adapter.asking import ask, can_ask, offer, sealed
from mcp_adapter.auth import present_principal
from mcp_adapter.clients import client_of
from mcp_adapter.refusals import refused, text_of
from mcp_adapter.schemas import Answer, Arguments, parse
from mcp_adapter.texts import BATCH, Texts
from mcp_adapter.tool import Call, Tool
from mcp_adapter.tools import TOOLSETS
from projections.outage import is_outage

logger = logging.getLogger(__name__)

NAME = "tidegate"

WAIT_STEP_SECONDS = 0.25
"""How often a call that waits looks again."""

Context = ServerRequestContext[Any, Any]

Toolsets = Mapping[str, tuple[Tool[Any, Any], ...]]


def build(system: System, table: Toolsets = TOOLSETS, *, texts: Texts = BATCH, version: str = "") -> Server[Any]:
    """The protocol server that offers a table of tools; the transport is put around it by `endpoints`."""
    door = _Door(system, table, texts)
    server: Server[Any] = Server(
        NAME,
        version=version,
        title="Tidegate",
        instructions=texts.instructions,
        on_list_tools=door.list_tools,
        on_call_tool=door.call_tool,
        on_list_resources=empty.list_resources,
        on_list_resource_templates=empty.list_resource_templates,
        on_read_resource=empty.read_resource,
        on_list_prompts=empty.list_prompts,
        on_get_prompt=empty.get_prompt,
        # No argument of ours is mirrored in a header; without this the SDK lists all tools before each call.
        get_tool_input_schema=lambda _name: None,
    )
    server.middleware.append(sealed(system.secrets, NAME))
    return server


class _Door:
    def __init__(self, system: System, table: Toolsets, texts: Texts) -> None:
        self._system = system
        self._table = table
        self._texts = texts
        # Never more threads than the pool has connections: a call waits here, not in the pool until it times out.
        self._threads = anyio.CapacityLimiter(system.settings.pool_size)

    async def list_tools(self, ctx: Context, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        """The tools that the key may call, always in the same order.

        Not counted against the key's rate: clients list after a call, to check its answer, and would lose the answer.
        """
        principal = _principal()
        return types.ListToolsResult(tools=[tool.listing for tool in self._offered(ctx) if tool.open_to(principal)])

    async def call_tool(
        self, ctx: Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult | types.InputRequiredResult:
        """An answer, a refusal or a question, all as results; only an unknown tool is an error of the protocol."""
        principal = _principal()
        tool = next((tool for tool in self._offered(ctx) if tool.name == params.name), None)
        if tool is None:
            raise MCPError(code=types.INVALID_PARAMS, message="There is no such tool here. See tools/list.")
        call = Call(self._system, principal, tool.name, _request_id(ctx), client_of(ctx))
        raw = params.arguments or {}
        try:
            # In a thread: a refusal is written down.
            await to_thread.run_sync(call.admit, tool.grant, raw, limiter=self._threads)
            given = parse(tool.arguments, raw)
            if tool.asks is not None and can_ask(ctx):
                question = await ask(ctx, params, partial(tool.asks, call, given), self._threads)
                if question is not None:
                    return question
            answer = await self._answer(call, tool, given)
            url = _url_of(answer, tool, given)
            return offer(ctx, params, url) or _answered(answer, call, tool)
        except DomainError as error:
            if error.code == "confirm.declined":  # the one refusal that is this door's own
                await to_thread.run_sync(call.refused, error, tool.grant, raw, limiter=self._threads)
            return refused(error, self._texts)
        except Exception as error:  # noqa: BLE001  # whatever it was, an agent learns nothing of our insides
            return refused(_failure(error, call, tool), self._texts)

    async def _answer(self, call: Call, tool: Tool[Any, Any], given: Arguments) -> Answer:
        clock = self._system.clock
        deadline = clock.monotonic() + getattr(given, "wait_seconds", 0)
        while True:
            answer: Answer = await to_thread.run_sync(tool.handler, call, given, limiter=self._threads)
            left = deadline - clock.monotonic()
            if tool.settled is None or tool.settled(answer) or left <= 0:
                return answer
            # Waiting holds no thread, no connection and no turn.
            with aside():
                await anyio.sleep(min(WAIT_STEP_SECONDS, left))

    def _offered(self, ctx: Context) -> list[Tool[Any, Any]]:
        """What the address asks for: `?toolsets=workflows,batch` narrows, `?readonly=1` leaves the readers."""
        query = ctx.request.query_params if ctx.request is not None else {}
        wanted = query.get("toolsets")
        names = list(self._table) if wanted is None else wanted.split(",")
        unknown = [name for name in names if name not in self._table]
        readonly = query.get("readonly", "0")
        if unknown or readonly not in {"0", "1"}:
            message = f"The address may have ?toolsets= with any of {','.join(self._table)}, and ?readonly=1."
            raise MCPError(code=types.INVALID_PARAMS, message=message)
        return [
            tool
            for toolset, tools in self._table.items()
            for tool in tools
            if toolset in names and (readonly == "0" or tool.effect.reads_only)
        ]


def _url_of(answer: Answer, tool: Tool[Any, Any], given: Arguments) -> str | None:
    """Where a human confirms what was asked, if the call may be made again to hear its answer."""
    repeatable = tool.effect.repeatable or getattr(given, "idempotency_key", None) is not None
    return getattr(answer, "confirm_url", None) if repeatable else None


def _answered(answer: Answer, call: Call, tool: Tool[Any, Any]) -> types.CallToolResult:
    """The same facts twice: some clients show a model the structure only, some the text only.

    Whatever did something says where the log stands, and whether it has grown.
    """
    data = answer.as_data()
    if call.accepted and not tool.effect.reads_only:
        data |= {"position": call.accepted[-1].position, "changed": call.accepted[-1].changed}
    return types.CallToolResult(content=[text_of(data)], structured_content=data)


def _failure(error: Exception, call: Call, tool: Tool[Any, Any]) -> DomainError:
    """What may be said of a failure. The commit of an effect may have been the last thing that succeeded."""
    outage = is_outage(error)
    logger.log(
        logging.WARNING if outage else logging.ERROR,
        "%s failed: %s",
        tool.name,
        type(error).__name__,
        exc_info=None if outage else error,
        extra={"request_id": call.request_id},
    )
    message = "" if tool.effect.reads_only else "Something failed on our side; whether it took effect is not known."
    code = "service.unavailable" if outage else "internal.error"
    return DomainError(code, message, details={"request_id": call.request_id})


def _principal() -> Principal:
    principal = present_principal()
    if principal is None:
        raise MCPError(code=types.INVALID_REQUEST, message="No API key was sent.")
    return principal


def _request_id(ctx: Context) -> str:
    """The id that the response carries in its header, if the host gave it one."""
    return str(getattr(ctx.request.state, "request_id", "") if ctx.request is not None else "") or str(new_id())
