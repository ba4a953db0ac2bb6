"""The protocol, as its own library speaks it. Loaded when somebody first asks for tools: that takes a second."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import mcp_types as types
import msgspec
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError
from starlette.requests import Request

from rayfaas.errors import RayfaasError, to_problem
from rayfaas.gateway.controller import ControllerLink
from rayfaas.gateway.interfaces import Interfaces
from rayfaas.gateway.mcp.tool_calls import ToolCalls
from rayfaas.gateway.mcp.tools import Tool, Tools, tools_of
from rayfaas.gateway.outcome import MAX_BODY, Outcome
from rayfaas.gateway.problems import encode
from rayfaas.gateway.routes import Routes
from rayfaas.gateway.sight import Sight
from rayfaas.names import LIVE

Context = ServerRequestContext[Any, Request]


class Service:
    """Lists and calls tools. It keeps nothing of who asks between requests, so any gateway may answer any of them."""

    def __init__(self, routes: Routes, controller: ControllerLink, calls: ToolCalls) -> None:
        self._routes, self._calls = routes, calls
        self._tools = Interfaces(routes, controller, tools_of)

    def manager(self) -> StreamableHTTPSessionManager:
        """What answers requests, while its `run()` does."""
        server = Server(
            "rayfaas",
            version=version("rayfaas"),
            get_tool_input_schema=lambda name: None,  # it has no parameter that is a header too
            on_list_tools=self._list,
            on_call_tool=self._call,
        )
        return StreamableHTTPSessionManager(server, stateless=True, max_request_body_size=MAX_BODY)

    async def _list(self, context: Context, parameters: object) -> types.ListToolsResult:
        tools = await self._seen(context)
        return types.ListToolsResult(tools=[_declared(tools[name]) for name in sorted(tools)])

    async def _call(self, context: Context, parameters: types.CallToolRequestParams) -> types.CallToolResult:
        tool = (await self._seen(context)).get(parameters.name)
        if tool is None:
            raise MCPError(types.INVALID_PARAMS, f"There is no tool {parameters.name!r}. List them anew.")
        arguments = encode(parameters.arguments or {})
        try:
            outcome = await self._calls.outcome(tool.target, dict(_request(context).scope["headers"]), arguments)
        except RayfaasError as error:
            outcome = Outcome("", b"", to_problem(error))
        return _result(outcome)

    async def _seen(self, context: Context) -> dict[str, Tool]:
        request = _request(context)
        tools: Tools = await self._tools.of(Sight.of(self._routes, request))
        return tools.get(request.query_params.get("alias", LIVE), {})


def _request(context: Context) -> Request:
    assert context.request is not None
    return context.request


def _declared(tool: Tool) -> types.Tool:
    return types.Tool(name=tool.name, title=tool.title, description=tool.description, input_schema=tool.arguments)


def _result(outcome: Outcome) -> types.CallToolResult:
    """A failure is told to the model too, which may do better the next time."""
    if outcome.problem is not None:
        return types.CallToolResult(content=[_text(_told(outcome.problem))], is_error=True)
    value = msgspec.json.decode(outcome.body)
    text = value if isinstance(value, str) else outcome.body.decode()
    return types.CallToolResult(content=[_text(text)], structured_content=value if isinstance(value, dict) else None)


def _told(problem: dict[str, Any]) -> str:
    of_call = f", call {problem['call']}" if "call" in problem else ""
    return f"{problem['detail']} ({problem['code']}{of_call})"


def _text(text: str) -> types.TextContent:
    return types.TextContent(text=text)
