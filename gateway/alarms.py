"""Alarms that reach a person: the URL that is told of them, which an admin says, and the telling of one.

The controller says which, and keeps count: an alarm that it hands over is tried once, here.
"""

from __future__ import annotations

import time
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rayfaas.errors import BadRequest, Forbidden
from rayfaas.gateway.controller import ControllerLink
from rayfaas.gateway.posts import Posts, moment
from rayfaas.gateway.problems import encode
from rayfaas.gateway.requests import as_json, json_body
from rayfaas.gateway.rights import allow
from rayfaas.gateway.routes import Routes
from rayfaas.names import new_id

_PATH = "/v1/webhook/alarms"


class Alarms:
    """The endpoints below /v1/webhook/alarms, for admins."""

    def __init__(self, routes: Routes, controller: ControllerLink, posts: Posts) -> None:
        self._routes, self._controller, self._posts = routes, controller, posts
        controller.methods |= {"tell_alarm": self._tell}

    def routes(self) -> list[Route]:
        return [
            Route(_PATH, self.shown, methods=["GET"]),
            Route(_PATH, self.set, methods=["PUT"]),
            Route(_PATH, self.drop, methods=["DELETE"]),
        ]

    async def shown(self, request: Request) -> Response:
        """Where they go, how many are still to be told, and what went wrong last."""
        allow(self._routes, request, "admin")
        return as_json(await self._controller.request("alarm_webhook"))

    async def set(self, request: Request) -> Response:
        """Have alarms from now on told to `url`, which hears a trial at once: `problem` says where it did not."""
        actor = allow(self._routes, request, "admin").name
        url = (await json_body(request)).get("url")
        if not isinstance(url, str):
            raise BadRequest('Send {"url": "https://…"}.')
        self._posts.rules.check(url, "url")
        await self._controller.request("set_alarm_webhook", url=url, actor=actor)
        body = _document("alarm.test", moment(time.time_ns() // 1000), {"set_by": actor})
        return as_json({"url": url, "problem": await self._trial(url, body)})

    async def drop(self, request: Request) -> Response:
        actor = allow(self._routes, request, "admin").name
        await self._controller.request("drop_alarm_webhook", actor=actor)
        return Response(status_code=204)

    async def _trial(self, url: str, body: bytes) -> str | None:
        try:
            return await self._posts.attempt(url, new_id(), body)
        except Forbidden as error:
            return error.detail

    async def _tell(self, link: object, url: str, alarm: dict[str, Any]) -> str | None:
        """What went wrong, or None. Raises `Forbidden` where it may not be told there."""
        raised_at = moment(alarm.pop("at_us"))
        body = _document("alarm.raised", raised_at, {**alarm, "raised_at": raised_at})
        return await self._posts.attempt(url, alarm["alarm"], body)


def _document(kind: str, timestamp: str, data: dict[str, Any]) -> bytes:
    return encode({"type": kind, "timestamp": timestamp, "data": data})
