"""Connections to one server, each with a pool of its own.

httpcore's pool looks at every connection that it holds, with system calls, when a request begins and when one ends:
with 32 at a time that takes several times as long as the requests. Here a request takes a lane that is free, or a new
one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import httpx


class Lanes(httpx.AsyncBaseTransport):
    """`make` makes the transport of one lane; at most `most_free` wait for their next request."""

    def __init__(self, make: Callable[[], httpx.AsyncBaseTransport], most_free: int = 100) -> None:
        self._make, self._most_free = make, most_free
        self._free: list[httpx.AsyncBaseTransport] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        # The one that was free last: its connection is the least likely to have been closed meanwhile.
        lane = self._free.pop() if self._free else self._make()
        try:
            response = await lane.handle_async_request(request)
        except BaseException:  # a cancel too: the lane is free again
            await self._leave(lane)
            raise
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _InLane(response.stream, lambda: self._leave(lane))
        return response

    async def aclose(self) -> None:
        while self._free:
            await self._free.pop().aclose()

    async def _leave(self, lane: httpx.AsyncBaseTransport) -> None:
        if len(self._free) < self._most_free:
            self._free.append(lane)
        else:
            await lane.aclose()


class _InLane(httpx.AsyncByteStream):
    """An answer's body; when it is closed, its lane is free."""

    def __init__(self, body: httpx.AsyncByteStream, leave: Callable[[], Awaitable[None]]) -> None:
        self._body, self._leave = body, leave
        self._left = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._body:
            yield chunk

    async def aclose(self) -> None:
        try:
            await self._body.aclose()
        finally:
            if not self._left:
                self._left = True
                await self._leave()
