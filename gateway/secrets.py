"""Secrets over HTTP: set, listed and deleted, never shown."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rayfaas.errors import BadRequest
from rayfaas.gateway.controller import ControllerLink
from rayfaas.gateway.requests import as_json, function_of, json_body, message_of, reason_of
from rayfaas.gateway.rights import allow
from rayfaas.gateway.routes import Routes


class Secrets:
    """The endpoints below /v1/secrets."""

    def __init__(self, routes: Routes, controller: ControllerLink) -> None:
        self._routes, self._controller = routes, controller

    def routes(self) -> list[Route]:
        one = "/v1/secrets/{team}/{name}"
        return [
            Route("/v1/secrets", self.list),
            Route(one, self.set, methods=["PUT"]),
            Route(one, self.delete, methods=["DELETE"]),
        ]

    async def list(self, request: Request) -> Response:
        """Names and keys, of the token's team; of all teams for an admin."""
        principal = allow(self._routes, request, "deployer")
        team = None if principal.role == "admin" else principal.team
        return as_json({"secrets": await self._controller.request("secrets", team=team)})

    async def set(self, request: Request) -> Response:
        """`{"values": {"KEY": "value"}, "restart": false}`."""
        path = function_of(request)
        principal = allow(self._routes, request, "deployer", path["team"])
        body = await json_body(request)
        values, restart = body.get("values"), body.get("restart", False)
        if not isinstance(restart, bool):
            raise BadRequest("restart is true or false.")
        made = await self._controller.request(
            "set_secret",
            **path,
            values=values,
            restart=restart,
            actor=principal.name,
            reason=message_of(body),
        )
        return as_json(made)

    async def delete(self, request: Request) -> Response:
        path = function_of(request)
        principal = allow(self._routes, request, "deployer", path["team"])
        given = {"actor": principal.name, "reason": reason_of(request)}
        await self._controller.request("delete_secret", **path, **given)
        return Response(status_code=204)
