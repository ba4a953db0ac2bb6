"""`/mcp`: functions as tools of language models."""

from __future__ import annotations

import asyncio
import importlib
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.routing import Route

from rayfaas.errors import Forbidden, NotFound
from rayfaas.gateway.asgi import Receive, Scope, Send
from rayfaas.gateway.controller import ControllerLink
from rayfaas.gateway.mcp.tool_calls import ToolCalls
from rayfaas.gateway.rights import identify
from rayfaas.gateway.routes import Routes


class Mcp:
    """Asks who it is, and leaves the rest to the protocol's own library, where the server has it."""

    def __init__(self, routes: Routes, controller: ControllerLink, calls: ToolCalls) -> None:
        self._routes, self._controller, self._calls = routes, controller, calls
        self._running: asyncio.Task[None] | None = None
        self._started: asyncio.Future[Any] | None = None

    def routes(self) -> list[Route]:
        return [Route("/mcp", self, methods=["POST"])]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        identify(self._routes, request)
        _check_origin(request)
        if find_spec("mcp") is None:
            raise NotFound("This server has no tools for models. Install rayfaas[mcp] where it runs.")
        manager = await self._manager()
        await manager.handle_request(scope, receive, send)

    async def close(self) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])

    async def _manager(self) -> Any:
        if self._running is None or self._started is None:
            self._started = asyncio.get_running_loop().create_future()
            self._running = asyncio.ensure_future(self._run(self._started))
        await asyncio.wait([self._running, self._started], return_when=asyncio.FIRST_COMPLETED)
        if self._running.done():
            self._running.result()
        return self._started.result()

    async def _run(self, started: asyncio.Future[Any]) -> None:
        module = await asyncio.to_thread(importlib.import_module, "rayfaas.gateway.mcp.service")
        manager = module.Service(self._routes, self._controller, self._calls).manager()
        async with manager.run():
            started.set_result(manager)
            await asyncio.Event().wait()


def _check_origin(request: Request) -> None:
    """A page in a browser may ask only the server that it came from, says the protocol."""
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise Forbidden(f"A page of {origin} may not ask this server.")
