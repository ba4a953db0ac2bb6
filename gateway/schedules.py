"""Schedules over HTTP: when functions call themselves. Who may deploy a function may schedule it."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rayfaas.gateway.controller import ControllerLink
from rayfaas.gateway.requests import as_json, json_body, message_of, reason_of
from rayfaas.gateway.rights import allow_function, allow_in_person
from rayfaas.gateway.routes import Routes
from rayfaas.names import check_name


class Schedules:
    """The endpoints of schedules. Of one function each has a name."""

    def __init__(self, routes: Routes, controller: ControllerLink) -> None:
        self._routes, self._controller = routes, controller

    def routes(self) -> list[Route]:
        one = "/v1/functions/{team}/{name}/schedules/{schedule}"
        return [
            Route("/v1/schedules", self.list),
            Route(one, self.set, methods=["PUT"]),
            Route(one, self.remove, methods=["DELETE"]),
            Route(one + "/suspend", self.suspend, methods=["POST"]),
            Route(one + "/resume", self.resume, methods=["POST"]),
        ]

    async def list(self, request: Request) -> Response:
        """Those of the functions of the token's team; of all teams for an admin."""
        principal = allow_in_person(self._routes, request)
        team = None if principal.role == "admin" else principal.team
        return as_json({"schedules": await self._controller.request("schedules", team=team)})

    async def set(self, request: Request) -> Response:
        """A `rayfaas.schedule.Scheduled`; the answer has its next times."""
        of = self._of(request)
        wanted = await json_body(request)
        return as_json(await self._controller.request("set_schedule", **of, wanted=wanted))

    async def remove(self, request: Request) -> Response:
        of = self._of(request)
        reason = reason_of(request)
        await self._controller.request("remove_schedule", **of, reason=reason)
        return Response(status_code=204)

    async def suspend(self, request: Request) -> Response:
        return await self._change(request, "suspend_schedule")

    async def resume(self, request: Request) -> Response:
        """It is whoever resumes it who calls from now on."""
        return await self._change(request, "resume_schedule")

    async def _change(self, request: Request, method: str) -> Response:
        of = self._of(request)
        reason = message_of(await json_body(request))
        return as_json(await self._controller.request(method, **of, reason=reason))

    def _of(self, request: Request) -> dict[str, Any]:
        principal, path = allow_function(self._routes, request, "deployer")
        schedule = check_name(request.path_params["schedule"], "schedule")
        return {**path, "schedule": schedule, "actor": principal.name}
