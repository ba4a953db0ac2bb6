"""`/openapi.json`: what the asker may call, and all that is here."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rayfaas.gateway.controller import ControllerLink
from rayfaas.gateway.interfaces import Interfaces
from rayfaas.gateway.openapi.document import document
from rayfaas.gateway.openapi.functions import Callee
from rayfaas.gateway.problems import encode
from rayfaas.gateway.routes import Routes
from rayfaas.gateway.sight import Sight
from rayfaas.wire import JSON


class OpenApi:
    def __init__(self, routes: Routes, controller: ControllerLink) -> None:
        self._routes = routes
        self._documents = Interfaces(routes, controller, _encoded)

    def routes(self) -> list[Route]:
        return [Route("/openapi.json", self.openapi)]

    async def openapi(self, request: Request) -> Response:
        body = await self._documents.of(Sight.of(self._routes, request))
        return Response(body, media_type=JSON, headers={"Cache-Control": "private, no-cache"})


def _encoded(callees: Sequence[Callee], team: str) -> bytes:
    return encode(document(callees, team))
