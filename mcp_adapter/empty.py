"""Resources and prompts: there are none, and whoever lists them is told so instead of meeting an error.

Clients ask for all three lists when they connect, and some give a server up that does not know one of them.
"""

from __future__ import annotations

from typing import Any

from mcp import MCPError, types
from mcp.server.context import ServerRequestContext

Context = ServerRequestContext[Any, Any]
Page = types.PaginatedRequestParams | None


async def list_resources(ctx: Context, params: Page) -> types.ListResourcesResult:
    return types.ListResourcesResult(resources=[])


async def list_resource_templates(ctx: Context, params: Page) -> types.ListResourceTemplatesResult:
    return types.ListResourceTemplatesResult(resource_templates=[])


async def read_resource(ctx: Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
    raise MCPError(code=types.INVALID_PARAMS, message="There are no resources here.", data={"uri": str(params.uri)})


async def list_prompts(ctx: Context, params: Page) -> types.ListPromptsResult:
    return types.ListPromptsResult(prompts=[])


async def get_prompt(ctx: Context, params: types.GetPromptRequestParams) -> types.GetPromptResult:
    raise MCPError(code=types.INVALID_PARAMS, message="There are no prompts here.")
