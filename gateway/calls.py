"""The endpoints below /calls: what became of a call, its result, its logs; cancel it, run it again."""

from __future__ import annotations

from functools import partial
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rayfaas.errors import PROBLEM_JSON, Conflict, Forbidden, NotFound
from rayfaas.gateway.admission import Admission
from rayfaas.gateway.call_options import check_debugger
from rayfaas.gateway.controller import ControllerLink
from rayfaas.gateway.following import Following, last_seen
from rayfaas.gateway.formats import format_for
from rayfaas.gateway.outcome import Outcome
from rayfaas.gateway.prefer import wait_s
from rayfaas.gateway.principal import Principal
from rayfaas.gateway.problems import encode
from rayfaas.gateway.rights import actor_of, allow_narrow
from rayfaas.gateway.routes import Routes
from rayfaas.gateway.sight import Sight
from rayfaas.gateway.spawned import Spawned
from rayfaas.gateway.uploads import begin_body
from rayfaas.names import check_call
from rayfaas.wire import JSON

_MOST_WAIT_S = 300.0
_LONGEST_LINE = 64 << 10  # typed into a debugger, in bytes
_FINAL = ("SUCCEEDED", "CACHED", "FAILED", "TIMED_OUT", "CANCELLED", "REJECTED", "INTERRUPTED")


class Running(Protocol):
    """The calls in flight here, by id; each says whether there was one."""

    def cancel(self, call_id: str) -> bool: ...

    def type(self, call_id: str, line: str) -> bool: ...


class Calls:
    def __init__(
        self,
        routes: Routes,
        controller: ControllerLink,
        admission: Admission,
        spawned: Spawned,
        running: Running,
        following: Following,
    ) -> None:
        self._routes, self._controller, self._spawned, self._running = routes, controller, spawned, running
        self._admission, self._following = admission, following
        controller.methods |= {"cancel": self._cancel_here, "type": self._type_here}

    def routes(self) -> list[Route]:
        return [
            Route("/calls/{call}", self.call, methods=["GET"]),
            Route("/calls/{call}", self.cancel, methods=["DELETE"]),
            Route("/calls/{call}/result", self.result),
            Route("/calls/{call}/logs", self.logs),
            Route("/calls/{call}/why-miss", self.why_miss),
            Route("/calls/{call}/replay", self.replay, methods=["POST"]),
            Route("/calls/{call}/debug", self.debug, methods=["POST"]),
        ]

    async def call(self, request: Request) -> Response:
        _, found = await self._found(request)
        return Response(encode(_shown(found)), media_type=JSON)

    async def result(self, request: Request) -> Response:
        """The result as the call itself would have answered it; 202 while there is none."""
        principal, found = await self._found(request)
        self._check_own(principal, found)
        if not found["spawned"]:
            raise NotFound("The results of calls that somebody waited for are not kept; spawned calls' are.")
        outcome = await self._spawned.wait(found["call"], _wait_s(request))
        return _answer(outcome, _shown(found))

    async def logs(self, request: Request) -> Response:
        """Its lines; with Accept text/event-stream or application/x-ndjson also those to come, until its end."""
        principal, found = await self._found(request)
        format = format_for(dict(request.scope["headers"]))
        if format.is_stream:
            after = last_seen(request.headers.get("last-event-id"))
            asker = partial(self._asker_of_logs, request, found)
            return await self._following.response(format, None, found["call"], after, 0, asker)
        rows = await self._controller.request(
            "logs", function=None, call=found["call"], limit=100_000, actor=actor_of(principal)
        )
        return Response(encode({"logs": rows}), media_type=JSON)

    def _asker_of_logs(self, request: Request, call: dict[str, Any]) -> dict[str, str]:
        """Raises what there is against it now."""
        principal = allow_narrow(self._routes, request, "viewer")
        self._check_sight(principal, call)
        return actor_of(principal)

    async def why_miss(self, request: Request) -> Response:
        """What kept it from being given an earlier result."""
        principal, found = await self._found(request)
        told = await self._controller.request("why_miss", call_id=found["call"], actor=actor_of(principal))
        return Response(encode(told), media_type=JSON)

    async def cancel(self, request: Request) -> Response:
        _, found = await self._found(request, "invoker")
        if found["state"] in _FINAL:
            raise Conflict(f"The call has ended: {found['state']}.")
        if not self.cancel_here(found["call"]):
            await self._controller.request("cancel_call", call_id=found["call"])
        return Response(status_code=204)

    async def replay(self, request: Request) -> Response:
        """Run a spawned call again, with the same arguments, as a new call of whoever asks, and under their limits."""
        principal, found = await self._found(request, "invoker")
        self._check_own(principal, found)
        if found["state"] not in _FINAL:
            raise Conflict(f"The call has not ended: {found['state']}.")
        self._admission.count(principal, str(found["function"]))
        made = await self._controller.request("replay", call_id=found["call"], actor=actor_of(principal))
        location = f"/calls/{made['call']}"
        return Response(encode(made), 202, {"Location": location}, media_type=JSON)

    async def debug(self, request: Request) -> Response:
        """Type the body, a line, into the debugger of a call that was begun with `Rayfaas-Debug`."""
        principal, found = await self._found(request, "deployer")
        check_debugger(principal, str(found["function"]).partition("/")[0])
        if found["state"] in _FINAL:
            raise Conflict(f"The call has ended: {found['state']}.")
        body = await begin_body(request.receive, dict(request.scope["headers"]), _LONGEST_LINE, whole=True)
        line = body.start.decode("utf-8", "replace")
        if not self._running.type(found["call"], line):
            await self._controller.request("type", call_id=found["call"], line=line)
        return Response(status_code=204)

    def cancel_here(self, call_id: str) -> bool:
        attempt = self._spawned.attempt_of(call_id)
        held = self._spawned.cancel(call_id)
        return self._running.cancel(attempt) or held

    async def _cancel_here(self, link: object, call_id: str) -> None:
        self.cancel_here(call_id)

    async def _type_here(self, link: object, call_id: str, line: str) -> None:
        self._running.type(call_id, line)

    async def _found(self, request: Request, role: str = "viewer") -> tuple[Principal, dict[str, Any]]:
        principal = allow_narrow(self._routes, request, role)
        call_id = check_call(request.path_params["call"])
        found = await self._controller.request("call", call_id=call_id, actor=actor_of(principal))
        if found is None:
            raise NotFound(f"There is no call {call_id}.")
        self._check_sight(principal, found)
        return principal, found

    def _check_own(self, principal: Principal, call: dict[str, Any]) -> None:
        """Raises `Forbidden` for what the code of another team called inside a call of the asker's: what it gave, and
        was given, is that team's."""
        if principal.parent is None and not call.get("is_own", True):
            raise Forbidden(
                f"Code of another team made the call {call['call']}, inside one of yours: its arguments and its result "
                "are for that team, and for the function's."
            )

    def _check_sight(self, principal: Principal, call: dict[str, Any]) -> None:
        """Raises `NotFound` where the function is not for who asks: then there is no such call either."""
        if not Sight(self._routes, principal).sees(*str(call["function"]).split("/", 1)):
            raise NotFound(f"There is no call {call['call']}.")


def _shown(call: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in call.items() if name != "is_own"}


def _wait_s(request: Request) -> float:
    """Seconds of `Prefer: wait=…`."""
    return min(wait_s(request.headers.get("prefer", "")) or 0.0, _MOST_WAIT_S)


def _answer(outcome: Outcome | None, call: dict[str, Any]) -> Response:
    if outcome is None:
        return Response(encode(call), 202, {"Retry-After": "1"}, media_type=JSON)
    if outcome.problem is not None:
        return Response(encode(outcome.problem), int(outcome.problem["status"]), media_type=PROBLEM_JSON)
    return Response(outcome.body, media_type=outcome.content_type)
