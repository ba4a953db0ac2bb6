"""Requests to an ASGI application, with the client's side of each in the test's hands."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

from rayfaas.gateway.http import ON_GONE

Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
Application = Callable[[Event, Receive, Send], Awaitable[None]]


@dataclass(frozen=True)
class Answer:
    """A whole answer. `headers` are by lower-case name."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def lines(self) -> list[Any]:
        """The objects of an NDJSON body."""
        return [json.loads(line) for line in self.body.splitlines()]

    @property
    def code(self) -> str:
        """The code of a problem document."""
        assert self.headers["content-type"] == "application/problem+json", self.body
        return str(self.json()["code"])


class Exchange:
    """One request under way. The client sends `pieces`; without `whole` it owes more and can only `leave`."""

    def __init__(
        self,
        app: Application,
        method: str,
        url: str,
        headers: Mapping[str, str | bytes],
        pieces: Sequence[bytes] = (),
        whole: bool = True,
    ) -> None:
        path, _, query = url.partition("?")
        self.scope: Event = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.lower().encode(), _bytes(value)) for name, value in headers.items()],
            "client": ("127.0.0.1", 4711),
            "server": ("127.0.0.1", 8700),
        }
        self.reads = asyncio.Event()  # whether the client takes the answer's body in
        self.reads.set()
        self._pieces = deque(pieces or ([b""] if whole else []))
        self._whole = whole
        self._left = asyncio.Event()
        self._events: list[Event] = []
        self._bodies: asyncio.Queue[bytes] = asyncio.Queue()
        self.task = asyncio.ensure_future(app(self.scope, self._receive, self._send))

    async def answer(self) -> Answer:
        """The answer, when its last byte is here."""
        await asyncio.wait_for(asyncio.wait([self.task]), 20)
        error = self.task.exception()  # Starlette answers with a 500, then raises
        if error is not None and not self._is_complete():
            raise error
        assert self._is_complete(), "the application returned and the answer has no end"
        start, *bodies = self._events
        headers = {name.decode(): value.decode("latin-1") for name, value in start["headers"]}
        return Answer(start["status"], headers, b"".join(body.get("body", b"") for body in bodies))

    async def piece(self) -> bytes:
        """The next piece of the answer's body."""
        return await asyncio.wait_for(self._bodies.get(), 20)

    def leave(self) -> None:
        """The client closes the connection."""
        self._left.set()
        self.reads.set()
        on_gone = self.scope.get(ON_GONE)
        if on_gone is not None and not self._is_complete():
            on_gone()

    async def left(self) -> None:
        """Leave, and wait until the application is done with it."""
        self.leave()
        await asyncio.wait_for(self.task, 20)

    @property
    def unsent(self) -> list[bytes]:
        """The pieces that nobody has asked for."""
        return list(self._pieces)

    @property
    def has_answer(self) -> bool:
        return bool(self._events)

    def _is_complete(self) -> bool:
        return len(self._events) > 1 and not self._events[-1].get("more_body")

    async def _receive(self) -> Event:
        if self._pieces and not self._left.is_set():
            piece = self._pieces.popleft()
            return {"type": "http.request", "body": piece, "more_body": bool(self._pieces) or not self._whole}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, event: Event) -> None:
        if event["type"] == "http.response.body":
            await self.reads.wait()
        if self._left.is_set():
            return
        self._events.append(event)
        if event.get("body"):
            self._bodies.put_nowait(event["body"])


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("latin-1")
