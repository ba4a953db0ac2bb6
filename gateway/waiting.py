"""What calls of a target wait for right now, for who has made one and shows it to a person."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rayfaas.errors import BadRequest
from rayfaas.gateway.controller import ControllerLink
from rayfaas.gateway.progress import Stage
from rayfaas.gateway.requests import as_json
from rayfaas.gateway.rights import allow
from rayfaas.gateway.route import Parked, Past
from rayfaas.gateway.routes import Routes


class Waiting:
    """The endpoint /v1/waiting."""

    def __init__(self, routes: Routes, controller: ControllerLink) -> None:
        self._routes, self._controller = routes, controller

    def routes(self) -> list[Route]:
        return [Route("/v1/waiting", self.waiting)]

    async def waiting(self, request: Request) -> Response:
        principal = allow(self._routes, request, "viewer")
        target = request.query_params.get("target")
        if not target:
            raise BadRequest("target is what was called, as in /v1/waiting?target=embed.")
        stage: Stage | None = None
        try:
            route = self._routes.resolve(target, principal.team, principal.name, reader=principal.reader)
            stage = self._controller.progress.of(route.key)
        except Parked:
            stage = Stage("executor", "the function is being replaced")
        except Past:
            pass  # what it led to is not known yet
        event, awaits = stage or (None, None)
        return as_json({"target": target, "event": event, "awaits": awaits})
