"""The beginning and the end that an ASGI application asks for: https://asgi.readthedocs.io/en/latest/specs/lifespan.html"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from rayfaas.asgi_events import Event
from rayfaas.errors import ImportFailed

Application = Callable[[Event, Callable[[], Awaitable[Event]], Callable[[Event], Awaitable[None]]], Awaitable[None]]

SHUTDOWN_S = 10.0


class Lifespan:
    """Begun before the first request and ended after the last. `state` is what each request's scope has a copy of."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self.state: dict[str, Any] = {}
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._answer: asyncio.Future[Event] = asyncio.get_running_loop().create_future()
        self._task: asyncio.Future[None] | None = None

    async def startup(self) -> None:
        """Returns when the application is ready. Raises `ImportFailed` with what it says, where it is not."""
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        self._task = asyncio.ensure_future(self._application(scope, self._events.get, self._send))
        self._events.put_nowait({"type": "lifespan.startup"})
        either: list[asyncio.Future[Any]] = [self._task, self._answer]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if self._answer.done() and self._answer.result()["type"] == "lifespan.startup.failed":
            message = str(self._answer.result().get("message", ""))
            raise ImportFailed("The application's lifespan did not start.", traceback=message)
        if self._task.done() and not self._task.cancelled():
            self._task.exception()  # the specification's way of an application to say that it has no lifespan

    async def shutdown(self) -> None:
        """Returns when the application has cleaned up, or has had its time to."""
        if self._task is None or self._task.done():
            return
        self._events.put_nowait({"type": "lifespan.shutdown"})
        await asyncio.wait([self._task], timeout=SHUTDOWN_S)

    async def _send(self, event: Event) -> None:
        if not self._answer.done():
            self._answer.set_result(event)
