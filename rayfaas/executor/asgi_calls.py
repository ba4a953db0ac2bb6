"""Serving an ASGI application: its requests and WebSockets are calls, tasks of one event loop on the main thread."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

from rayfaas.asgi_events import INPUT_CREDIT, decode_scope
from rayfaas.errors import BadRequest, ImportFailed
from rayfaas.executor.async_calls import AsyncCalls
from rayfaas.executor.exchange import Exchange, RunningExchange
from rayfaas.executor.lifespan import Application, Lifespan
from rayfaas.executor.loading import import_failed
from rayfaas.executor.program import Program
from rayfaas.executor.running import CallInterrupted, Done, RunningCall


class AsgiCalls(AsyncCalls):
    """Makes the application, once. Raises `ImportFailed` where it does not start."""

    def __init__(self, program: Program, version: tuple[str, int], concurrency: int, done: Done) -> None:
        super().__init__(program, version, concurrency, done)
        asyncio.set_event_loop(self._loop)
        self._application, self._lifespan = self._loop.run_until_complete(_begin(program.callees[None].function))

    def submit(self, call: RunningCall) -> None:
        if isinstance(call, RunningExchange):
            call.inputs = asyncio.Queue()
            call.hear = lambda event: self._loop.call_soon_threadsafe(call.heard, event)
        super().submit(call)

    async def _serve(self) -> None:
        await super()._serve()
        await self._lifespan.shutdown()

    def _changed(self, call: RunningCall) -> None:
        if call.cancelled and isinstance(call, RunningExchange):
            call.heard_cancel = True
        super()._changed(call)

    async def _run(self, call: RunningCall) -> None:
        self.enter(call)
        if not isinstance(call, RunningExchange):
            self._done(call)
            return call.error(BadRequest("It is an ASGI application and no function: it is served below /app/."))
        exchange = Exchange(call, self._done)
        try:
            async with self._slots:
                call.start(measure_cpu=False)
                call.want(INPUT_CREDIT)
                scope = decode_scope(call.body, self._lifespan.state)
                await self._application(scope, exchange.receive, exchange.send)
        except asyncio.CancelledError as error:
            exchange.raised(CallInterrupted(call.cancelled) if call.cancelled else error)
        except BaseException as error:  # noqa: BLE001 whatever user code raises is the call's answer, SystemExit too
            exchange.raised(error)
        else:
            exchange.returned()


async def _begin(make: Callable[[], Any]) -> tuple[Application, Lifespan]:
    try:
        application = make()
        if inspect.isawaitable(application):
            application = await application
    except BaseException as error:  # whatever user code raises, SystemExit too
        raise import_failed("The application could not be made", error) from error
    if not callable(application):
        raise ImportFailed(f"The function made {type(application).__name__}, which is no ASGI application.")
    lifespan = Lifespan(application)
    await lifespan.startup()
    return application, lifespan
