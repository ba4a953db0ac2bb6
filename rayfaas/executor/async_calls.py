"""Running calls on one event loop, which has the main thread to itself.

Here are those of `async def` functions, as tasks; those of batched functions, a batch as one task; and those of what is
not async in a class that has such methods: on this thread too, and on others where several may run at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, cast

from rayfaas.context import enter_call
from rayfaas.executor import running
from rayfaas.executor.batches import Answer, Batch, Collector
from rayfaas.executor.calls import Bound, Calls
from rayfaas.executor.intake import Intake
from rayfaas.executor.items import Items
from rayfaas.executor.program import Callee, Program
from rayfaas.executor.running import CallInterrupted, Done, RunningCall
from rayfaas.executor.sync_calls import run_sync
from rayfaas.executor.upload import RunningUpload

# A generator that awaits nothing itself lets others have the loop so often.
TURN_S = 0.005


class AsyncCalls(Calls):
    """Runs up to `concurrency` calls at a time; a batch counts as one."""

    def __init__(self, program: Program, version: tuple[str, int], concurrency: int, done: Done) -> None:
        super().__init__(program, version, concurrency, done)
        self._loop = program.loop
        self._slots = asyncio.Semaphore(concurrency)
        self._stopped = asyncio.Event()
        self._tasks: dict[RunningCall, asyncio.Task[None]] = {}
        self._on_threads: set[RunningCall] = set()
        self._threads = ThreadPoolExecutor(concurrency)
        self._collectors = {
            method: Collector(callee.batching, self._slots, partial(self._run_batch, callee))
            for method, callee in program.callees.items()
            if callee.batching
        }

    def submit(self, call: RunningCall) -> None:
        call.changed = asyncio.Event()
        call.listen(lambda: self._loop.call_soon_threadsafe(self._changed, call))
        self._loop.call_soon_threadsafe(self._start, call)

    def goes_on(self, within_s: float) -> bool:
        turned = threading.Event()
        self._loop.call_soon_threadsafe(turned.set)
        return turned.wait(within_s)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)

    def serve(self, intake: Intake) -> None:
        asyncio.set_event_loop(self._loop)
        serving = self._loop.create_task(self._serve())
        serving.add_done_callback(lambda _: self._loop.stop())
        while not serving.done():
            # What stops the loop, or ends it by sys.exit() in a task of its own, is a call among others.
            with contextlib.suppress(SystemExit, KeyboardInterrupt):
                self._loop.run_forever()
        serving.result()

    async def _serve(self) -> None:
        await self._stopped.wait()
        while self._tasks:
            await asyncio.wait(set(self._tasks.values()))

    def _start(self, call: RunningCall) -> None:
        task = self._tasks[call] = self._loop.create_task(self._run(call))
        task.add_done_callback(lambda _: self._tasks.pop(call, None))

    def _changed(self, call: RunningCall) -> None:
        call.changed.set()
        if not call.cancelled or not (task := self._tasks.get(call)) or call in self._on_threads:
            return
        if call.batch is None:
            task.cancel()
            if inspect.getcoroutinestate(cast(Any, task.get_coro())) == inspect.CORO_CREATED:
                self.raised(call, CallInterrupted(call.cancelled))  # a task without a first step answers nobody
        elif call.batch.is_unwanted and call.batch.task is not None:
            call.batch.task.cancel()

    # One call

    async def _run(self, call: RunningCall) -> None:
        self.enter(call)
        try:
            if isinstance(call, RunningUpload):
                await asyncio.to_thread(call.collect)
            bound = self.bind(call)
            if bound is None:
                return
            answer = await self._answer(call, bound)
            del bound  # arguments may be large, and a large result takes its time
        except asyncio.CancelledError as error:
            self.raised(call, CallInterrupted(call.cancelled) if call.cancelled else error)
        except BaseException as error:  # noqa: BLE001 whatever user code raises is the call's answer, SystemExit too
            self.raised(call, error)
        else:
            if (send := self._tell(call, answer)) is not None:
                await asyncio.to_thread(send)

    def _tell(self, call: RunningCall, answer: Answer) -> Callable[[], None] | None:
        if answer.error is not None:
            self.raised(call, answer.error)
        elif answer.items is not None:
            self.streamed(call, answer.items)
        else:
            return self.returned(call, answer.value)
        return None

    async def _answer(self, call: RunningCall, bound: Bound) -> Answer:
        if bound.callee.batching is not None:
            return await self._collectors[call.header.method].answer(call, bound.args[0])
        async with self._slots:
            if not bound.callee.is_async:
                return await self._run_plain(call, bound)
            call.start(measure_cpu=False)
            value = bound.callee.function(*bound.args, **bound.kwargs)
            if hasattr(value, "__aiter__"):
                return Answer(items=await _stream(call, value))
            return Answer(await value)

    async def _run_plain(self, call: RunningCall, bound: Bound) -> Answer:
        self._on_threads.add(call)
        try:
            ran = await self._run_here_or_there(partial(run_sync, call, bound))
        finally:
            self._on_threads.discard(call)
        if ran.error is not None:
            return ran
        value, items = ran.value
        return Answer(value, items=items)

    async def _run_here_or_there(self, run: Callable[[], Any]) -> Answer:
        """On this thread where nothing else may run meanwhile."""
        if self.concurrency == 1:
            return Answer.of(run)
        in_context = partial(contextvars.copy_context().run, run)
        return await self._loop.run_in_executor(self._threads, Answer.of, in_context)

    # A batch

    async def _run_batch(self, callee: Callee, batch: Batch) -> None:
        enter_call(batch.context(*self._version))
        running.current.set(batch)
        for call in batch.calls:
            call.start(measure_cpu=False)
        try:
            answer = await self._call_batched(callee, batch)
        except asyncio.CancelledError as error:
            answer = Answer(error=CallInterrupted("cancelled") if batch.is_unwanted else error)
        except BaseException as error:  # noqa: BLE001 whatever user code raises is the answer of all its calls
            answer = Answer(error=error)
        batch.settle(answer)

    async def _call_batched(self, callee: Callee, batch: Batch) -> Answer:
        if not callee.is_async:
            return await self._run_here_or_there(partial(_run_batch_here, callee, batch))
        batch.task = asyncio.current_task()
        return Answer(await callee.function(batch.items))


def _run_batch_here(callee: Callee, batch: Batch) -> Any:
    with batch, batch.measured():
        return callee.function(batch.items)


async def _stream(call: RunningCall, items: AsyncIterator[Any]) -> int:
    """Send the items as they come, never more than there is credit for; returns how many."""
    outgoing, turned = Items(call), time.perf_counter()
    async for item in items:
        if time.perf_counter() - turned > TURN_S:
            await asyncio.sleep(0)
            turned = time.perf_counter()
        for message in outgoing.messages(item):
            while not call.try_credit():
                call.changed.clear()
                await call.changed.wait()
            outgoing.send(message)
    return outgoing.end()
