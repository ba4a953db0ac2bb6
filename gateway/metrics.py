"""`GET /metrics`, for Prometheus: the figures of the whole server, from the controller."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rayfaas.gateway.controller import ControllerLink
from rayfaas.gateway.rights import actor_of, allow_in_person
from rayfaas.gateway.routes import Routes


class Metrics:
    """For who has a token: of the functions of the asker's team, or of all for an admin."""

    def __init__(self, routes: Routes, controller: ControllerLink) -> None:
        self._routes, self._controller = routes, controller

    def routes(self) -> list[Route]:
        return [Route("/metrics", self.metrics)]

    async def metrics(self, request: Request) -> Response:
        principal = allow_in_person(self._routes, request)
        accept = request.headers.get("accept", "")
        made = await self._controller.request("metrics", accept=accept, actor=actor_of(principal))
        return Response(made["body"], headers={"content-type": made["content_type"]})
