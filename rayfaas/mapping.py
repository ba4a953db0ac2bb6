"""`map`: one call for each input, so many at a time, over inputs of any number."""

from __future__ import annotations

import asyncio
import concurrent.futures
import reprlib
import sys
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
        self._given: dict[Pending, tuple[int, Any]] = {}  # of each that is under way, which input it has
        self._taken = 0

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
        loop, changed = asyncio.get_running_loop(), asyncio.Event()

        def tell(_: Pending) -> None:
            try:
                loop.call_soon_threadsafe(changed.set)
            except RuntimeError:
                pass  # the loop is closed, and with it whoever waited

        try:
            while self._fill(tell):
                while not self._has_next():
                    changed.clear()
                    await changed.wait()
                self._bring_done_first()
                yield self._result_of(self._pending[0])
                self._pending.popleft()
        finally:
            self._cancel()

    def _has_next(self) -> bool:
        return self._pending[0].done() if self._options.ordered else any(each.done() for each in self._pending)

    def _fill(self, tell: Callable[[Pending], None] | None = None) -> bool:
        """Start calls while there is room and input; whether any is under way. `tell` hears of each that ends."""
        while len(self._pending) < self._options.concurrency:
            try:
                value = next(self._inputs)
            except StopIteration:
                break
            pending = self._sessions.current().submit(self._call(value))
            if tell is not None:
                pending.add_done_callback(tell)
            self._given[pending] = self._taken, value
            self._taken += 1
            self._pending.append(pending)
        return bool(self._pending)

    def _bring_done_first(self) -> None:
        if not self._options.ordered:
            while not self._pending[0].done():
                self._pending.rotate(-1)

    def _result_of(self, pending: Pending) -> Any:
        number, value = self._given.pop(pending)
        try:
            return pending.result()
        except Exception as error:  # whatever the call raised is the caller's to judge
            if not self._options.return_exceptions:
                _note(error, f"It was raised for input {number} of map, counted from 0: {_shortened(value)}")
                raise
            return error

    def _cancel(self) -> None:
        for pending in self._pending:
            pending.cancel()
        self._pending.clear()
        self._given.clear()


def _note(error: Exception, text: str) -> None:
    if sys.version_info >= (3, 11):  # Python 3.10 has none
        error.add_note(text)


def _shortened(arguments: Any) -> str:
    """Of one argument that alone."""
    return reprlib.repr(arguments[0] if isinstance(arguments, tuple) and len(arguments) == 1 else arguments)
