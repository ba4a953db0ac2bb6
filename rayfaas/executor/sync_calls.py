"""Running calls of `def` functions: on the main thread, one at a time, and on more threads where the spec allows it."""

from __future__ import annotations

import contextvars
import inspect
import queue
import threading
from collections.abc import Generator
from typing import Any, Literal

from rayfaas.executor.calls import Bound, Calls
from rayfaas.executor.intake import Intake
from rayfaas.executor.items import Items
from rayfaas.executor.program import Program
from rayfaas.executor.running import CallInterrupted, Done, RunningCall


class SyncCalls(Calls):
    """Runs calls in the order in which they were submitted."""

    def __init__(self, program: Program, version: tuple[str, int], concurrency: int, done: Done) -> None:
        super().__init__(program, version, concurrency, done)
        self._queue: queue.SimpleQueue[RunningCall | Literal["nudge"] | None] = queue.SimpleQueue()
        self._intake: Intake | None = None

    @property
    def reads(self) -> bool:
        return self.concurrency == 1

    def goes_on(self, within_s: float) -> bool:
        return self.concurrency > 1  # else all others are behind it

    def submit(self, call: RunningCall) -> None:
        self._queue.put(call)

    def stop(self) -> None:
        for _ in range(self.concurrency):
            self._queue.put(None)
        if self._intake is not None:
            self._intake.wake()

    def nudge(self) -> None:
        self._queue.put("nudge")

    def serve(self, intake: Intake) -> None:
        if self.reads:
            self._intake = intake
        threads = [threading.Thread(target=self._work, daemon=True) for _ in range(self.concurrency - 1)]
        for thread in threads:
            thread.start()
        self._work()
        for thread in threads:
            thread.join()

    def _work(self) -> None:
        while True:
            try:
                call = self._next()
                if call is None:
                    return
                contextvars.copy_context().run(self._run, call)
            except CallInterrupted:
                continue  # it was sent in the instant in which its call ended

    def _next(self) -> RunningCall | None:
        intake = self._intake
        while True:
            if intake is not None:
                intake.is_idle()
                while self._queue.empty() and intake.read(self._queue.empty):
                    pass
            call = self._queue.get()
            if call != "nudge":
                break
        if intake is not None:
            intake.is_busy()
        return call

    def _run(self, call: RunningCall) -> None:
        self.enter(call)
        bound = self.bind(call)
        if bound is None:
            return
        try:
            value, items = run_sync(call, bound)
        except BaseException as error:  # noqa: BLE001 whatever user code raises is the call's answer, SystemExit too
            self.raised(call, error)
        else:
            del bound  # arguments may be large, and a large result takes its time
            if items is not None:
                self.streamed(call, items)
            elif (send := self.returned(call, value)) is not None:
                send()


def run_sync(call: RunningCall, bound: Bound) -> tuple[Any, int | None]:
    """What the function returned on this thread; of a generator, how many items were sent."""
    with call:
        call.start()
        value = bound.callee.function(*bound.args, **bound.kwargs)
        return (value, None) if not inspect.isgenerator(value) else (None, _stream(call, value))


def _stream(call: RunningCall, generator: Generator[Any, Any, Any]) -> int:
    """Send the items as they come, never more than there is credit for; returns how many."""
    items = Items(call)
    for item in generator:
        for message in items.messages(item):
            if not call.take_credit():
                generator.close()
                raise CallInterrupted(call.cancelled)
            items.send(message)
    return items.end()
