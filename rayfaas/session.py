"""An event loop on a thread of its own, and the connections of a client that live on it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import inspect
import os
import threading
import weakref
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

from rayfaas.config import ClientConfig
from rayfaas.transport import Transport

T = TypeVar("T")
CLOSED = "the client was closed before the answer came"


class Sessions:
    """One session for each process that uses a client: after a fork, the child has its own.

    Nothing of a parent's session is closed or used in a child: its connections are the parent's, its thread is gone.
    """

    def __init__(self, config: ClientConfig, token: Callable[[], str] | None = None) -> None:
        self._config, self._token = config, token
        self._by_pid: dict[int, Session] = {}
        # A lock for each process, because a fork may copy one that is held. setdefault is atomic.
        self._locks: dict[int, threading.Lock] = {}
        self._closed = False

    def current(self) -> Session:
        """The session of this process, begun when it is first asked for."""
        pid = os.getpid()
        session = self._by_pid.get(pid)
        if session is None:
            with self._locks.setdefault(pid, threading.Lock()):
                session = self._by_pid.get(pid) or self._begin(pid)
        return session

    def close(self) -> None:
        """End the session of this process; calls under way are cancelled. Safe to repeat."""
        self._closed = True
        if session := self._by_pid.get(os.getpid()):
            session.close()

    def _begin(self, pid: int) -> Session:
        if self._closed:
            raise RuntimeError("this client is closed")
        session = self._by_pid[pid] = Session(Transport(self._config, self._token))
        return session


class Session:
    """Runs coroutines on its thread, for synchronous and for asynchronous callers.

    They see the caller's context variables (and so the current call), because asyncio copies them when it schedules.
    """

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self._lock = threading.Lock()
        self._closed = False
        self._calls: weakref.WeakSet[Coroutine[Any, Any, Any]] = weakref.WeakSet()
        begun: concurrent.futures.Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = concurrent.futures.Future()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._live(begun)), name="rayfaas-client", daemon=True
        )
        self._thread.start()
        self._loop, self._ending = begun.result()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Wait for the coroutine's result. An interrupt (Ctrl-C) while waiting cancels it."""
        if threading.current_thread() is self._thread:
            coroutine.close()
            raise RuntimeError("what a client calls back can't wait for the same client")
        try:
            return self.submit(coroutine).result()
        except concurrent.futures.CancelledError:
            raise RuntimeError(CLOSED) from None
        except BaseException:
            # An interrupt may come before there is a future to cancel: what is begun is known by its coroutine.
            if inspect.getcoroutinestate(coroutine) != inspect.CORO_CLOSED:
                self._give_up(coroutine)
            raise

    async def run_async(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Await the coroutine's result from any event loop, this session's too. Cancelling it cancels the coroutine."""
        future = self.submit(coroutine)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            if self._closed and future.done():
                raise RuntimeError(CLOSED) from None
            raise

    def close(self) -> None:
        with self._lock:
            if not self._closed:
                self._closed = True
                self._loop.call_soon_threadsafe(self._ending.set)
        if threading.current_thread() is not self._thread:  # a client may be collected as garbage on any thread
            self._thread.join()

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Have it run; cancelling the future cancels the coroutine."""
        # Under the lock: what is scheduled before the end is cancelled by the end, what comes after it is refused here.
        with self._lock:
            if not self._closed:
                self._calls.add(coroutine)
                return asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        coroutine.close()
        raise RuntimeError("this client is closed")

    def _give_up(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        def cancel() -> None:
            for task in asyncio.all_tasks(self._loop):
                if task.get_coro() is coroutine:
                    task.cancel()

        with self._lock:
            if not self._closed:  # else its end has cancelled it
                self._loop.call_soon_threadsafe(cancel)

    async def _live(self, begun: concurrent.futures.Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]]) -> None:
        ending = asyncio.Event()
        begun.set_result((asyncio.get_running_loop(), ending))
        await ending.wait()
        # The calls end before their connections do, so that each says that the client was closed, and not what broke.
        # What a call has begun on its own, as a connection that is made, ends with it: cancelled beside it before its
        # first step, a task of anyio's leaves a coroutine that was never awaited, and Python complains of that.
        await _cancelled(task for task in asyncio.all_tasks() if task.get_coro() in self._calls)
        await _cancelled(asyncio.all_tasks() - {asyncio.current_task()})
        await self.transport.aclose()


async def _cancelled(tasks: Iterable[asyncio.Task[Any] | None]) -> None:
    under_way = [task for task in tasks if task is not None]
    for task in under_way:
        task.cancel()
    await asyncio.gather(*under_way, return_exceptions=True)
