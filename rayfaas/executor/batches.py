"""Batches: calls of a batched function that are run together, and how they are gathered on a loop."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, NamedTuple

from rayfaas.batching import Batching
from rayfaas.context import CallContext
from rayfaas.errors import BadBatch
from rayfaas.executor.items import Refused
from rayfaas.executor.running import CallInterrupted, RunningCall, interrupt
from rayfaas.within import within


class Answer(NamedTuple):
    """What a function came to: an exception as a value, because no future and no coroutine lets every one through.

    `items` is how many a generator made.
    """

    value: Any = None
    error: BaseException | None = None
    items: int | None = None

    @classmethod
    def of(cls, run: Callable[[], Any]) -> Answer:
        try:
            return cls(run())
        except BaseException as error:  # noqa: BLE001 whatever user code raises is the call's answer, SystemExit too
            return cls(error=error)


class Waiting(NamedTuple):
    """A call and its item. `since` is the loop's time of its coming."""

    call: RunningCall
    item: Any
    answer: asyncio.Future[Answer]
    since: float


class Batch:
    """Calls that were begun together. It is interrupted when nobody waits for any of them any more."""

    sightings: list[Any] | None = None  # what it opened, which is every call's
    call_id = None

    def __init__(self, members: Sequence[Waiting]) -> None:
        self._members = members
        self.calls = [member.call for member in members]
        self.items = [member.item for member in members]
        self.size = len(members)
        self._cpu_ns = 0
        self._lock = threading.RLock()
        self._thread: int | None = None
        self.task: asyncio.Task[None] | None = None  # where an async function runs it

    # Answers

    def settle(self, answer: Answer) -> None:
        """Each call gets its own; an error all of them, also where what the function returned is no list of as many."""
        for member, each in zip(self._members, self._split(answer), strict=True):
            if not member.answer.done():
                member.answer.set_result(each)

    def _split(self, answer: Answer) -> list[Answer]:
        returned = answer.value
        if answer.error is not None:
            return [answer] * self.size
        if isinstance(returned, list) and len(returned) == self.size:
            return [Answer(value) for value in returned]
        return [Answer(error=Refused(_misfit(returned, self.size)))] * self.size

    # As one call, to what it prints and to what it calls

    def log(self, stream: str, text: str, level: str | None = None) -> None:
        """What is printed in it is of every call in it."""
        for call in self.calls:
            call.log(stream, text, level)

    def context(self, function: str, version: int) -> CallContext | None:
        """The first call's, for calls to other functions; none where the calls are of several callers."""
        callers = {(call.header.principal, call.header.team) for call in self.calls}
        return self.calls[0].context(function, version) if len(callers) == 1 else None

    # Time

    @property
    def cpu_us_each(self) -> int:
        return self._cpu_ns // self.size // 1000

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Count the processor time of this thread as the batch's."""
        started = time.thread_time_ns()
        try:
            yield
        finally:
            self._cpu_ns = time.thread_time_ns() - started

    # Cancelling

    @property
    def is_unwanted(self) -> bool:
        return all(call.cancelled for call in self.calls)

    def look(self) -> None:
        """A call of it was cancelled: interrupt the code that runs it if that was the last one."""
        with self._lock:
            if self._thread is not None and self.is_unwanted:
                interrupt(self._thread, CallInterrupted)

    def __enter__(self) -> Batch:
        with self._lock:
            if self.is_unwanted:
                raise CallInterrupted("cancelled")
            self._thread = threading.get_ident()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        with self._lock:
            thread, self._thread = self._thread, None
            if self.is_unwanted and thread is not None:
                interrupt(thread, None)  # one that was not delivered yet must not hit the next call


class Collector:
    """Cuts the calls of one batched function into batches. `run` is given each, with one of `slots` taken for it."""

    def __init__(self, batching: Batching, slots: asyncio.Semaphore, run: Callable[[Batch], Awaitable[None]]) -> None:
        self._size, self._wait_s = batching.max_size, batching.wait_ms / 1000
        self._slots, self._run = slots, run
        self._waiting: dict[RunningCall, Waiting] = {}
        self._came = asyncio.Event()
        self._gathering: asyncio.Task[None] | None = None
        self._batches: set[asyncio.Task[None]] = set()

    async def answer(self, call: RunningCall, item: Any) -> Answer:
        """What the function comes to for this item. Cancelled before its batch has begun, the call is left out."""
        loop = asyncio.get_running_loop()
        waiting = self._waiting[call] = Waiting(call, item, loop.create_future(), loop.time())
        self._came.set()
        if self._gathering is None or self._gathering.done():
            self._gathering = loop.create_task(self._gather())
        try:
            return await waiting.answer
        finally:
            self._waiting.pop(call, None)

    async def _gather(self) -> None:
        while self._waiting:
            await self._fill()
            await self._slots.acquire()
            batch = self._take()
            if batch is None:
                self._slots.release()
            else:
                self._begin(batch)

    async def _fill(self) -> None:
        """Wait until a batch is full, or its first call has waited long enough."""
        loop = asyncio.get_running_loop()
        while self._waiting and len(self._waiting) < self._size:
            left_s = next(iter(self._waiting.values())).since + self._wait_s - loop.time()
            if left_s <= 0:
                return
            self._came.clear()
            try:
                await within(left_s, self._came.wait())
            except asyncio.TimeoutError:
                return

    def _take(self) -> Batch | None:
        chosen = list(self._waiting.values())[: self._size]
        for member in chosen:
            del self._waiting[member.call]
        members = [member for member in chosen if not member.answer.done()]
        return Batch(members) if members else None

    def _begin(self, batch: Batch) -> None:
        for call in batch.calls:
            call.batch = batch
        task = asyncio.get_running_loop().create_task(self._run_in_slot(batch))
        self._batches.add(task)
        task.add_done_callback(self._batches.discard)

    async def _run_in_slot(self, batch: Batch) -> None:
        try:
            await self._run(batch)
        finally:
            self._slots.release()


def _misfit(returned: Any, size: int) -> BadBatch:
    if not isinstance(returned, list):
        return BadBatch(
            f"A batched function returns a list with a result for each item, not {type(returned).__name__}."
        )
    return BadBatch(f"The function was given {size} items and returned {len(returned)} results.")
