"""The endpoints below /calls: what became of a call, its result, its logs; cancel it, run it again."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rayfaas.errors import PROBLEM_JSON, BadRequest, Conflict, NotFound
from rayfaas.gateway.controller import ControllerLink
from rayfaas.gateway.outcome import Outcome
from rayfaas.gateway.problems import encode
from rayfaas.gateway.rights import actor_of, allow
from rayfaas.gateway.routes import Principal, Routes
from rayfaas.gateway.spawned import Spawned
from rayfaas.wire import JSON

_MOST_WAIT_S = 300.0
_FINAL = ("SUCCEEDED", "FAILED", "TIMED_OUT", "CANCELLED", "REJECTED", "INTERRUPTED")

Cancel = Callable[[str], bool]


class Calls:
    def __init__(self, routes: Routes, controller: ControllerLink, spawned: Spawned, cancel: Cancel) -> None:
        self._routes, self._controller, self._spawned, self._cancel = routes, controller, spawned, cancel
        controller.methods["cancel"] = self._cancel_here

    def routes(self) -> list[Route]:
        return [
            Route("/calls/{call}", self.call, methods=["GET"]),
            Route("/calls/{call}", self.cancel, methods=["DELETE"]),
            Route("/calls/{call}/result", self.result),
            Route("/calls/{call}/logs", self.logs),
            Route("/calls/{call}/replay", self.replay, methods=["POST"]),
        ]

    async def call(self, request: Request) -> Response:
        _, found = await self._found(request)
        return Response(encode(found), media_type=JSON)

    async def result(self, request: Request) -> Response:
        """The result as the call itself would have answered it; 202 while there is none."""
        _, found = await self._found(request)
        if not found["spawned"]:
            raise NotFound("The results of calls that somebody waited for are not kept; spawned calls' are.")
        outcome = await self._spawned.wait(found["call"], _wait_s(request))
        return _answer(outcome, found)

    async def logs(self, request: Request) -> Response:
        principal, found = await self._found(request)
        rows = await self._controller.request(
            "logs", function=None, call=found["call"], limit=100_000, actor=actor_of(principal)
        )
        return Response(encode({"logs": rows}), media_type=JSON)

    async def cancel(self, request: Request) -> Response:
        _, found = await self._found(request, "invoker")
        if found["state"] in _FINAL:
            raise Conflict(f"The call has ended: {found['state']}.")
        if not self.cancel_here(found["call"]):
            await self._controller.request("cancel_call", call_id=found["call"])
        return Response(status_code=204)

    async def replay(self, request: Request) -> Response:
        """Run a spawned call again, with the same arguments, as a new call of whoever asks."""
        principal, found = await self._found(request, "invoker")
        if found["state"] not in _FINAL:
            raise Conflict(f"The call has not ended: {found['state']}.")
        made = await self._controller.request("replay", call_id=found["call"], actor=actor_of(principal))
        location = f"/calls/{made['call']}"
        return Response(encode(made), 202, {"Location": location}, media_type=JSON)

    def cancel_here(self, call_id: str) -> bool:
        attempt = self._spawned.attempt_of(call_id)
        held = self._spawned.cancel(call_id)
        return self._cancel(attempt) or held

    async def _cancel_here(self, link: object, call_id: str) -> None:
        self.cancel_here(call_id)

    async def _found(self, request: Request, role: str = "viewer") -> tuple[Principal, dict[str, Any]]:
        principal = allow(self._routes, request, role)
        try:
            call_id = str(UUID(request.path_params["call"]))
        except ValueError:
            raise BadRequest(f"{request.path_params['call']!r} is no call's id: those are UUIDs.") from None
        found = await self._controller.request("call", call_id=call_id, actor=actor_of(principal))
        if found is None:
            raise NotFound(f"There is no call {call_id}.")
        return principal, found


def _wait_s(request: Request) -> float:
    """Seconds of `Prefer: wait=…`."""
    found = re.search(r"\bwait=(\d+)", request.headers.get("prefer", ""))
    return min(float(found[1]), _MOST_WAIT_S) if found else 0.0


def _answer(outcome: Outcome | None, call: dict[str, Any]) -> Response:
    if outcome is None:
        return Response(encode(call), 202, {"Retry-After": "1"}, media_type=JSON)
    if outcome.problem is not None:
        return Response(encode(outcome.problem), int(outcome.problem["status"]), media_type=PROBLEM_JSON)
    return Response(outcome.body, media_type=outcome.content_type)
