"""The gateway's ASGI application: calls and applications take the short way, everything else goes through Starlette."""

from __future__ import annotations

import logging
import time

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from rayfaas.errors import PROBLEM_JSON, BadRequest, MethodNotAllowed, NotFound, RayfaasError, to_problem
from rayfaas.gateway.admission import Admission
from rayfaas.gateway.applications import PREFIX as APPLICATIONS
from rayfaas.gateway.applications import Applications
from rayfaas.gateway.asgi import Receive, Scope, Send
from rayfaas.gateway.calls import Calls
from rayfaas.gateway.control import Control
from rayfaas.gateway.controller import ControllerLink
from rayfaas.gateway.invoke import PREFIX, Invoke
from rayfaas.gateway.mcp.endpoint import Mcp
from rayfaas.gateway.openapi.endpoints import OpenApi
from rayfaas.gateway.pages.pages import page_routes
from rayfaas.gateway.problems import encode, extra_headers
from rayfaas.gateway.unread import Unread

_log = logging.getLogger("rayfaas.gateway")


class App:
    """The whole HTTP surface."""

    def __init__(
        self,
        invoke: Invoke,
        admission: Admission,
        applications: Applications,
        calls: Calls,
        control: Control,
        openapi: OpenApi,
        mcp: Mcp,
        controller: ControllerLink,
    ) -> None:
        self._invoke, self._admission, self._applications = invoke, admission, applications
        self._rest = Starlette(
            routes=[
                Route("/healthz", healthz),
                Route("/readyz", Readiness(controller)),
                *calls.routes(),
                *control.routes(),
                *openapi.routes(),
                *mcp.routes(),
                *page_routes(),
            ],
            exception_handlers={RayfaasError: self._refused, HTTPException: _http_problem, Exception: _unexpected},
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(PREFIX):
            await self._invoke(scope, receive, send)
        elif scope["path"].startswith(APPLICATIONS):
            await self._applications(scope, receive, send)
        else:
            await self._answer_rest(scope, receive, send)

    async def _answer_rest(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Who takes nothing of an answer, as of a large export, holds neither it nor its file for ever."""
        unread = Unread(scope, time.time(), lambda: None)
        try:
            await self._rest(scope, receive, send)
        finally:
            unread.written()

    async def _refused(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, RayfaasError)
        return await _problem(request, self._admission.judged(error, request.scope.get("client")))


async def healthz(request: Request) -> Response:
    """The process answers."""
    return PlainTextResponse("ok\n")


class Readiness:
    """The gateway knows its routes, so that calls can be answered. The controller may be away for a while."""

    def __init__(self, controller: ControllerLink) -> None:
        self._controller = controller

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        ready = self._controller.has_routes.is_set()
        response = PlainTextResponse("ready\n" if ready else "waiting for the controller\n", 200 if ready else 503)
        await response(scope, receive, send)


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, RayfaasError)
    problem = to_problem(error)
    headers = {name.decode(): value.decode() for name, value in extra_headers(problem)}
    return Response(encode(problem), error.status, headers, media_type=PROBLEM_JSON)


async def _http_problem(request: Request, error: Exception) -> Response:
    """Starlette's own refusals: no such path, or not with this method."""
    assert isinstance(error, HTTPException)
    path = f"{request.method} {request.url.path}"
    if error.status_code == 404:
        return await _problem(request, NotFound(f"There is nothing at {path}. /docs shows what there is."))
    kind = MethodNotAllowed if error.status_code == 405 else BadRequest
    problem = {**to_problem(kind(f"{path}: {error.detail}.")), "status": error.status_code}
    return Response(encode(problem), error.status_code, error.headers, media_type=PROBLEM_JSON)


async def _unexpected(request: Request, error: Exception) -> Response:
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return await _problem(request, RayfaasError("The gateway failed on this request; its log says how."))
