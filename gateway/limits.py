"""Limits over HTTP: what teams, principals and functions may use, which admins say."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rayfaas.errors import BadRequest
from rayfaas.gateway.controller import ControllerLink
from rayfaas.gateway.requests import as_json, json_body, message_of, reason_of
from rayfaas.gateway.rights import allow
from rayfaas.gateway.routes import Routes
from rayfaas.limit import KINDS, Limit
from rayfaas.names import check_name, check_team
from rayfaas.spec import parse


class Limits:
    """The endpoints below /v1/limits."""

    def __init__(self, routes: Routes, controller: ControllerLink) -> None:
        self._routes, self._controller = routes, controller

    def routes(self) -> list[Route]:
        one = "/v1/limits/{kind}"
        return [
            Route("/v1/limits", self.limits),
            Route(one, self.set, methods=["PUT"]),
            Route(one, self.drop, methods=["DELETE"]),
        ]

    async def limits(self, request: Request) -> Response:
        allow(self._routes, request, "admin")
        return as_json({"limits": await self._controller.request("limits")})

    async def set(self, request: Request) -> Response:
        """Of the query's `name`: `{"calls_per_s": 10, "concurrency": 4, "gpu_s_per_day": 3600, "weight": 2}`; any
        may be left out."""
        actor = allow(self._routes, request, "admin").name
        body = dict(await json_body(request))
        reason = message_of(body)
        body.pop("message", None)
        limit: Limit = parse(Limit, body, "The limit")
        given = {"limit": limit.model_dump(mode="json"), "actor": actor, "reason": reason}
        return as_json(await self._controller.request("set_limit", **_subject(request), **given))

    async def drop(self, request: Request) -> Response:
        actor = allow(self._routes, request, "admin").name
        reason = reason_of(request)
        await self._controller.request("drop_limit", **_subject(request), actor=actor, reason=reason)
        return Response(status_code=204)


def _subject(request: Request) -> dict[str, str]:
    kind, name = str(request.path_params["kind"]), request.query_params.get("name", "")
    if kind not in KINDS:
        raise BadRequest(f"A limit is of a {', a '.join(KINDS)}, not of a {kind!r}.")
    if kind == "team":
        check_team(name)
    if kind == "function":
        team, _, short = name.partition("/")
        name = f"{check_team(team)}/{check_name(short)}"
    if not 0 < len(name) <= 256 or not name.isprintable():
        raise BadRequest("A principal's name is text of 256 characters at most.")
    return {"kind": kind, "name": name}
