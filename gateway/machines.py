"""Worker groups and their machines over HTTP: what may be started, what is kept up, what is stopped."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rayfaas.durations import seconds_of
from rayfaas.errors import BadRequest
from rayfaas.gateway.controller import ControllerLink
from rayfaas.gateway.requests import as_json, json_body
from rayfaas.gateway.rights import allow
from rayfaas.gateway.routes import Routes
from rayfaas.spec import parse
from rayfaas.worker_group import WorkerGroup

_GROUP = "/v1/clusters/{cluster}/groups/{group}"
_MACHINE = "/v1/clusters/{cluster}/machines/{machine}"


class Machines:
    """The endpoints of one cluster's groups and machines. Changes are an admin's: they cost."""

    def __init__(self, routes: Routes, controller: ControllerLink) -> None:
        self._routes, self._controller = routes, controller

    def routes(self) -> list[Route]:
        return [
            Route("/v1/clusters/{cluster}/groups", self.groups, methods=["GET"]),
            Route(_GROUP, self.set_group, methods=["PUT"]),
            Route(_GROUP, self.delete_group, methods=["DELETE"]),
            Route(f"{_GROUP}/warm", self.warm, methods=["POST"]),
            Route(f"{_MACHINE}/hold", self.hold, methods=["POST"]),
            Route(f"{_MACHINE}/stop", self.stop, methods=["POST"]),
        ]

    async def groups(self, request: Request) -> Response:
        """With their machines."""
        allow(self._routes, request, "viewer")
        groups = await self._controller.request("groups", cluster=request.path_params["cluster"])
        return as_json({"groups": groups})

    async def set_group(self, request: Request) -> Response:
        principal = allow(self._routes, request, "admin")
        named = {"cluster": request.path_params["cluster"], "name": request.path_params["group"]}
        group: WorkerGroup = parse(WorkerGroup, {**await json_body(request), **named}, "The worker group")
        made = group.model_dump(mode="json")
        await self._controller.request("set_group", group=made, actor=principal.name)
        return as_json(made)

    async def delete_group(self, request: Request) -> Response:
        principal = allow(self._routes, request, "admin")
        cluster, name = request.path_params["cluster"], request.path_params["group"]
        await self._controller.request("delete_group", cluster=cluster, name=name, actor=principal.name)
        return Response(status_code=204)

    async def warm(self, request: Request) -> Response:
        principal = allow(self._routes, request, "admin")
        cluster, name = request.path_params["cluster"], request.path_params["group"]
        body = await json_body(request)
        number = body.get("number", 1)
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= 1000:
            raise BadRequest("number is how many are to be up, 0 to 1000.")
        asked: dict[str, Any] = {"cluster": cluster, "name": name, "number": number, "until": until(body)}
        await self._controller.request("warm", **asked, actor=principal.name)
        return as_json(asked)

    async def hold(self, request: Request) -> Response:
        principal = allow(self._routes, request, "deployer")
        asked = self._machine(request) | {"until": until(await json_body(request))}
        await self._controller.request("hold_node", **asked, actor=principal.name)
        return as_json(asked)

    async def stop(self, request: Request) -> Response:
        """When nothing is on it; with `now` whatever is, after ten minutes at most."""
        principal = allow(self._routes, request, "admin")
        now = now_of(await json_body(request))
        await self._controller.request("end_node", **self._machine(request), now=now, actor=principal.name)
        return Response(status_code=202)

    def _machine(self, request: Request) -> dict[str, Any]:
        return {"cluster": request.path_params["cluster"], "node": request.path_params["machine"]}


def now_of(body: Mapping[str, Any]) -> bool:
    now = body.get("now", False)
    if not isinstance(now, bool):
        raise BadRequest("now is true or false.")
    return now


def until(body: Mapping[str, Any]) -> float:
    """Unix time, of how long from now."""
    length = body.get("for")
    if not isinstance(length, str):
        raise BadRequest('for is how long, as {"for": "2h"}.')
    return time.time() + seconds_of(length)
