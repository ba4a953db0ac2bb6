"""The items of a generator that runs elsewhere, as they are made."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from types import TracebackType
from typing import Any, Generic, TypeVar

from rayfaas.session import Sessions

T = TypeVar("T")


class Stream(Generic[T]):
    """An iterator and an asynchronous iterator: take the items with `for` or with `async for`, once.

    The generator is paused while nobody takes items. Closing the stream (from any thread: who waits for an item then is
    at the end), leaving its `with` block, or dropping it cancels the call. Ends with the function's error where it
    raised, and with `Unavailable` where the connection broke.

    >>> for token in rayfaas.get("nlp/write").stream("Once upon a time"):  # doctest: +SKIP
    ...     print(token, end="")
    """

    def __init__(
        self,
        sessions: Sessions,
        batches: AsyncGenerator[list[dict[str, Any]], None],
        on_log: Callable[[dict[str, Any]], None] | None,
        on_debug: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        self._sessions, self._batches = sessions, batches
        self._listeners = {"log": on_log, "debug": on_debug}
        self._events: deque[dict[str, Any]] = deque()
        self._taking: asyncio.Task[Any] | None = None
        self._closed = False

    def __iter__(self) -> Stream[T]:
        return self

    def __next__(self) -> T:
        while (event := self._next_item()) is None:
            batch = self._sessions.current().run(self._next_batch())
            if batch is None:
                raise StopIteration
            self._events.extend(batch)
        item: T = event["item"]
        return item

    def __aiter__(self) -> Stream[T]:
        return self

    async def __anext__(self) -> T:
        while (event := self._next_item()) is None:
            batch = await self._sessions.current().run_async(self._next_batch())
            if batch is None:
                raise StopAsyncIteration
            self._events.extend(batch)
        item: T = event["item"]
        return item

    def close(self) -> None:
        """Stop the generator. Nothing happens where it has ended."""
        self._sessions.current().run(self._close())

    async def aclose(self) -> None:
        await self._sessions.current().run_async(self._close())

    def __enter__(self) -> Stream[T]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Stream[T]:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def _next_item(self) -> dict[str, Any] | None:
        """The next event that is an item, of those that came; what else is before it is told on the way."""
        while self._events:
            event = self._events.popleft()
            if "item" in event:
                return event
            for name, listener in self._listeners.items():
                if name in event and listener is not None:
                    listener(event[name])
        return None

    async def _next_batch(self) -> list[dict[str, Any]] | None:
        self._taking = asyncio.current_task()
        try:
            return await anext(self._batches, None)
        except asyncio.CancelledError:
            if self._closed:
                return None
            raise
        finally:
            self._taking = None

    async def _close(self) -> None:
        self._closed = True
        if self._taking is not None:
            self._taking.cancel()
            await asyncio.wait([self._taking])
        await self._batches.aclose()
