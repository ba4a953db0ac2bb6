"""Aliases over HTTP: moves, splits, rollbacks, canaries, and who did what when."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rayfaas.canary import CanaryPlan
from rayfaas.destination import Move
from rayfaas.errors import BadRequest
from rayfaas.gateway.controller import ControllerLink
from rayfaas.gateway.requests import as_json, function_of, json_body, message_of, reason_of, whole_number
from rayfaas.gateway.rights import allow_function, mover_of
from rayfaas.gateway.routes import Routes
from rayfaas.gateway.sight import Sight
from rayfaas.names import check_alias
from rayfaas.spec import parse

MOST_MOVES = 10_000


class Releases:
    """The endpoints below a function's aliases."""

    def __init__(self, routes: Routes, controller: ControllerLink) -> None:
        self._routes, self._controller = routes, controller

    def routes(self) -> list[Route]:
        aliases = "/v1/functions/{team}/{name}/aliases"
        alias = aliases + "/{alias}"
        return [
            Route(aliases, self.aliases),
            Route(aliases + "/{alias}/history", self.history),
            Route(alias, self.move, methods=["POST"]),
            Route(alias + "/rollback", self.rollback, methods=["POST"]),
            Route(alias + "/canary", self.canary, methods=["GET"]),
            Route(alias + "/canary", self.begin_canary, methods=["POST"]),
            Route(alias + "/canary", self.abort_canary, methods=["DELETE"]),
        ]

    async def aliases(self, request: Request) -> Response:
        of = Sight.of(self._routes, request).function(request)
        return as_json({"aliases": await self._controller.request("aliases", **of)})

    async def history(self, request: Request) -> Response:
        """The moves of an alias, the newest first."""
        Sight.of(self._routes, request).function(request)
        text = request.query_params.get("limit", "100")
        limit = whole_number(text, MOST_MOVES, least=1)
        if limit is None:
            raise BadRequest(f"limit is a number of moves from 1 to {MOST_MOVES}, not {text!r}.")
        moves = await self._controller.request("alias_history", **alias_of(request), limit=limit)
        return as_json({"moves": moves})

    async def move(self, request: Request) -> Response:
        of, mover = self._may(request)
        move: Move = parse(Move, await json_body(request), "The move")
        body = move.model_dump(mode="json", exclude_unset=True)
        return as_json(await self._controller.request("move_alias", **of, move=body, **mover))

    async def rollback(self, request: Request) -> Response:
        of, mover = self._may(request)
        message = message_of(await json_body(request))
        return as_json(await self._controller.request("rollback", **of, message=message, **mover))

    async def canary(self, request: Request) -> Response:
        """The newest of an alias: its plan, the steps that are over, and the present figures while it runs."""
        Sight.of(self._routes, request).function(request)
        return as_json(await self._controller.request("canary", **alias_of(request)))

    async def begin_canary(self, request: Request) -> Response:
        of, mover = self._may(request)
        plan: CanaryPlan = parse(CanaryPlan, await json_body(request), "The canary")
        body = plan.model_dump(mode="json")
        return as_json(await self._controller.request("begin_canary", **of, plan=body, **mover), 201)

    async def abort_canary(self, request: Request) -> Response:
        of, mover = self._may(request)
        return as_json(await self._controller.request("abort_canary", **of, message=reason_of(request), **mover))

    def _may(self, request: Request) -> tuple[dict[str, str], dict[str, Any]]:
        """The alias, and who is about to change it. Raises what there is against it."""
        principal, _ = allow_function(self._routes, request, "deployer")
        return alias_of(request), mover_of(principal)


def alias_of(request: Request) -> dict[str, str]:
    return {**function_of(request), "alias": check_alias(request.path_params["alias"])}
