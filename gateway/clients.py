"""The client of an ASGI application, as the gateway answers it: over HTTP, or over a WebSocket."""

from __future__ import annotations

import re
from typing import Any

from rayfaas.asgi_events import Event
from rayfaas.errors import BadAnswer
from rayfaas.gateway.asgi import HeaderList, Send
from rayfaas.gateway.problems import send_problem, write_problem

_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NOT_IN_A_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_INTERNAL_ERROR = 1011  # https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1
_NOT_ALLOWED = 1008
_NORMAL = 1000
_LONGEST_REASON = 120  # bytes; a close frame holds no more


class HttpClient:
    """Of one request. `status` is the answer's, 0 before it began."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0

    def ends_with(self, event: Event) -> bool:
        return event["type"] == "http.response.body" and not event.get("more_body", False)

    def check(self, event: Event) -> None:
        """Raises `BadAnswer` for what HTTP does not allow where the answer is."""
        if (event["type"] == "http.response.start") == bool(self.status):
            raise BadAnswer(f"The application sent {event['type']!r} {'twice' if self.status else 'first'}.")
        if not self.status:
            check_start(event)

    async def send(self, event: Event, headers: HeaderList) -> None:
        """Pass on what the application says; its first event has `headers` too."""
        if event["type"] == "http.response.start":
            self.status = event["status"]
            event = {**event, "headers": [*map(tuple, event.get("headers", ())), *headers]}
        await self._send(event)

    def check_end(self) -> None:
        """The application returned. Raises `BadAnswer` where it answered nothing."""
        if not self.status:
            raise BadAnswer("The application returned without an answer.")

    async def finish(self) -> None:
        """After that. An answer that is not complete is cut off, so that nobody takes it for whole."""

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

    def check(self, event: Event) -> None:
        if event["type"] == "websocket.http.response.start":
            check_start(event)

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
            code = _NOT_ALLOWED if int(problem["status"]) in (401, 403, 404) else _INTERNAL_ERROR
            await self._close(code, str(problem["title"]))

    async def _close(self, code: int, reason: str) -> None:
        if not self._is_closed:
            self._is_closed = True
            await self._send({"type": "websocket.close", "code": code, "reason": reason[:_LONGEST_REASON]})


def check_start(event: Event) -> None:
    """Raises `BadAnswer` for a status or headers that are none."""
    status = event.get("status")
    if not isinstance(status, int) or not 200 <= status <= 599:
        raise BadAnswer(f"The application answered the status {status!r}.")
    for name, value in event.get("headers", ()):
        if not isinstance(name, bytes) or _NAME.fullmatch(name) is None:
            raise BadAnswer(f"The application answered a header named {name!r}.")
        if not isinstance(value, bytes) or _NOT_IN_A_VALUE.search(value):
            raise BadAnswer(f"The application's header {name.decode()} has the value {value!r:.200}.")
        if name.lower() == b"content-length" and not value.isdigit():
            raise BadAnswer(f"The application answered the Content-Length {value!r:.200}.")
