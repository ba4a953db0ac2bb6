"""The client of an ASGI application, as the gateway answers it: over HTTP, or over a WebSocket."""

from __future__ import annotations

from typing import Any

from rayfaas.asgi_events import Event
from rayfaas.gateway.http import HeaderList
from rayfaas.gateway.problems import Send, send_problem, write_problem

_INTERNAL_ERROR = 1011  # https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1
_NORMAL = 1000
_LONGEST_REASON = 120  # bytes; a close frame holds no more


class HttpClient:
    """Of one request. `status` is the answer's, 0 before it began."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0

    def ends_with(self, event: Event) -> bool:
        return event["type"] == "http.response.body" and not event.get("more_body", False)

    async def send(self, event: Event, headers: HeaderList) -> None:
        """Pass on what the application says; its first event has `headers` too."""
        if event["type"] == "http.response.start":
            self.status = int(event["status"])
            event = {**event, "headers": [*map(tuple, event.get("headers", ())), *headers]}
        await self._send(event)

    async def finish(self) -> None:
        """The application returned. An answer that is not complete is cut off, so that nobody takes it for whole."""

    async def fail(self, problem: dict[str, Any], headers: HeaderList) -> None:
        """Answer with a problem; one that has begun is cut off."""
        if not self.status:
            self.status = int(problem["status"])
            await send_problem(self._send, problem, headers)


class WebSocketClient(HttpClient):
    """Of one WebSocket. `status` is 101 once it is open, that of the refusal where it is refused."""

    def __init__(self, send: Send) -> None:
        super().__init__(send)
        self._is_closed = False

    def ends_with(self, event: Event) -> bool:
        return False

    async def send(self, event: Event, headers: HeaderList) -> None:
        kind = event["type"]
        if kind in ("websocket.accept", "websocket.http.response.start"):
            self.status = int(event.get("status", 101))
            event = {**event, "headers": [*map(tuple, event.get("headers", ())), *headers]}
        elif kind == "websocket.close":
            self.status, self._is_closed = self.status or 403, True
        await self._send(event)

    async def finish(self) -> None:
        if self.status == 101:
            await self._close(_NORMAL, "")

    async def fail(self, problem: dict[str, Any], headers: HeaderList) -> None:
        if not self.status:
            self.status = int(problem["status"])
            head, body = write_problem(problem)
            start = {"type": "websocket.http.response.start", "status": self.status, "headers": head + headers}
            await self._send(start)
            await self._send({"type": "websocket.http.response.body", "body": body})
        elif self.status == 101:
            await self._close(_INTERNAL_ERROR, str(problem["title"]))

    async def _close(self, code: int, reason: str) -> None:
        if not self._is_closed:
            self._is_closed = True
            await self._send({"type": "websocket.close", "code": code, "reason": reason[:_LONGEST_REASON]})
