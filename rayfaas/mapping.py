"""`map`: one call for each input, so many at a time, over inputs of any number."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from typing import Any, Generic, TypeVar

from rayfaas.map_options import MapOptions
from rayfaas.session import Sessions

T = TypeVar("T")
Pending = concurrent.futures.Future[Any]


class Mapped(Generic[T]):
    """The results, with `for` or with `async for`, once: in the order of the inputs, or as they come.

    An input is taken when there is room for its call; leaving the loop cancels the calls under way.
    """

    def __init__(
        self,
        sessions: Sessions,
        call: Callable[[Any], Coroutine[Any, Any, T]],
        inputs: Iterable[Any],
        options: MapOptions,
    ) -> None:
        self._sessions, self._call, self._options = sessions, call, options
        self._inputs = iter(inputs)
        self._pending: deque[Pending] = deque()

    def __iter__(self) -> Iterator[T]:
        try:
            while self._fill():
                if not self._options.ordered:
                    concurrent.futures.wait(self._pending, return_when=concurrent.futures.FIRST_COMPLETED)
                    self._bring_done_first()
                yield self._result_of(self._pending[0])
                self._pending.popleft()
        finally:
            self._cancel()

    async def __aiter__(self) -> AsyncIterator[T]:
        try:
            while self._fill():
                waiting = [asyncio.wrap_future(each) for each in self._pending]
                if self._options.ordered:
                    waiting = waiting[:1]
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                self._bring_done_first()
                yield self._result_of(self._pending[0])
                self._pending.popleft()
        finally:
            self._cancel()

    def _fill(self) -> bool:
        """Start calls while there is room and input; whether any is under way."""
        while len(self._pending) < self._options.concurrency:
            try:
                value = next(self._inputs)
            except StopIteration:
                break
            self._pending.append(self._sessions.current().submit(self._call(value)))
        return bool(self._pending)

    def _bring_done_first(self) -> None:
        if not self._options.ordered:
            while not self._pending[0].done():
                self._pending.rotate(-1)

    def _result_of(self, pending: Pending) -> Any:
        try:
            return pending.result()
        except Exception as error:  # whatever the call raised is the caller's to judge
            if not self._options.return_exceptions:
                raise
            return error

    def _cancel(self) -> None:
        for pending in self._pending:
            pending.cancel()
        self._pending.clear()
