"""Running calls of `async def` functions: as tasks of one event loop, which has the main thread to itself."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

from rayfaas.executor.calls import Calls, Done, encode_item
from rayfaas.executor.intake import Intake
from rayfaas.executor.running import CallInterrupted, RunningCall


class AsyncCalls(Calls):
    """Runs up to `concurrency` calls at a time."""

    def __init__(self, function: Callable[..., Any], version: tuple[str, int], concurrency: int, done: Done) -> None:
        super().__init__(function, version, concurrency, done)
        self._loop = asyncio.new_event_loop()
        self._slots = asyncio.Semaphore(concurrency)
        self._stopped = asyncio.Event()
        self._tasks: dict[RunningCall, asyncio.Task[None]] = {}

    def submit(self, call: RunningCall) -> None:
        call.changed = asyncio.Event()
        call.listen(lambda: self._loop.call_soon_threadsafe(self._changed, call))
        self._loop.call_soon_threadsafe(self._start, call)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)

    def serve(self, intake: Intake) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        await self._stopped.wait()
        while self._tasks:
            await asyncio.wait(set(self._tasks.values()))

    def _start(self, call: RunningCall) -> None:
        task = self._tasks[call] = self._loop.create_task(self._run(call))
        task.add_done_callback(lambda _: self._tasks.pop(call, None))

    def _changed(self, call: RunningCall) -> None:
        call.changed.set()
        if call.cancelled and (task := self._tasks.get(call)):
            task.cancel()
            if inspect.getcoroutinestate(cast(Any, task.get_coro())) == inspect.CORO_CREATED:
                self.raised(call, CallInterrupted(call.cancelled))  # a task without a first step answers nobody

    async def _run(self, call: RunningCall) -> None:
        self.enter(call)
        bound = self.bind(call)
        if bound is None:
            return
        items = None
        try:
            async with self._slots:
                call.start(measure_cpu=False)
                value = self.function(*bound[0], **bound[1])
                if hasattr(value, "__aiter__"):
                    items = await _stream(call, value)
                else:
                    value = await value
        except asyncio.CancelledError as error:
            self.raised(call, CallInterrupted(call.cancelled) if call.cancelled else error)
        except BaseException as error:  # noqa: BLE001 whatever user code raises is the call's answer, SystemExit too
            self.raised(call, error)
        else:
            self.returned(call, value) if items is None else self.streamed(call, items)


async def _stream(call: RunningCall, items: AsyncIterator[Any]) -> int:
    """Send the items as they come, never more than there is credit for; returns how many."""
    count = 0
    async for item in items:
        body = encode_item(item)
        while not call.try_credit():
            call.changed.clear()
            await call.changed.wait()
        call.item(body)
        count += 1
    return count
