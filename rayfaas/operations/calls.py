"""Calls: operations that make one, or look at one, as a client has them."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Mapping
from typing import Any

from rayfaas.call import Call
from rayfaas.call_options import NO_OPTIONS, CallOptions
from rayfaas.map_options import MapOptions
from rayfaas.mapping import Mapped
from rayfaas.names import check_call
from rayfaas.operation import operation
from rayfaas.operations.asker import Asker, Json
from rayfaas.remote import LogListener
from rayfaas.spawned import SpawnedCall
from rayfaas.stream import Stream
from rayfaas.validation import Validation
from rayfaas.waiting import shown


class Calls(Asker):
    """Functions are named by their targets: `embed`, `embed:7`, `nlp/embed@prod`.

    >>> client.answer("nlp/embed@prod", ("a text",), {})  # doctest: +SKIP
    [0.12, 0.98]
    """

    @operation
    def answer(
        self,
        target: str,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        options: CallOptions = NO_OPTIONS,
        on_log: LogListener | None = None,
    ) -> Coroutine[Any, Any, Any]:
        """Call a function and wait for its result; of a generator, the list of its items. What a call waits for is
        shown on stderr, where that is a terminal.

        `on_log` is called on the client's own thread, and can't make calls with this client.
        """
        return self._answer(Call(target, args, kwargs, options), on_log)

    async def _answer(self, call: Call, on_log: LogListener | None) -> Any:
        if on_log is not None:
            return await call.answer(self._transport, on_log)
        async with shown(self._transport, call.target):
            return await call.answer(self._transport)

    @operation
    def spawn(
        self,
        target: str,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        options: CallOptions = NO_OPTIONS,
    ) -> Coroutine[Any, Any, SpawnedCall]:
        """Have a function called, whatever happens; returns when the server has the call on disk."""
        return self._spawn(Call(target, args, kwargs, options))

    async def _spawn(self, call: Call) -> SpawnedCall:
        return SpawnedCall(self._sessions, await call.spawn(self._transport))

    @operation
    def validate(
        self, target: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], options: CallOptions = NO_OPTIONS
    ) -> Coroutine[Any, Any, Validation]:
        """A dry run: raises what the call would be refused with, and runs nothing."""
        return Call(target, args, kwargs, options).validate(self._transport)

    def map(
        self,
        target: str,
        inputs: Iterable[tuple[Any, ...]],
        map_options: MapOptions,
        options: CallOptions = NO_OPTIONS,
    ) -> Mapped[Any]:
        """Call a function for each tuple of arguments."""

        def call(args: tuple[Any, ...]) -> Coroutine[Any, Any, Any]:
            return Call(target, args, {}, options).answer(self._transport)

        return Mapped(self._sessions, call, inputs, map_options)

    def stream(
        self,
        target: str,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        options: CallOptions = NO_OPTIONS,
        on_log: LogListener | None = None,
        on_debug: LogListener | None = None,
    ) -> Stream[Any]:
        """Call a function and have its items as they are made.

        With `on_debug` its breakpoints stop it: it is told what the debugger says (`call`, `text`, and whether it
        `waits` for a line), and answers with `type`. Its timeout is an hour then.
        """
        call = Call(target, args, kwargs, options)
        events = call.events(self._transport, on_log is not None, on_debug is not None)
        return Stream(self._sessions, events, on_log, on_debug)

    def spawned(self, call_id: str) -> SpawnedCall:
        """The spawned call with this id. Nothing is asked of the server before its first operation.

        Raises `BadRequest` where it is no id of a call.
        """
        return SpawnedCall(self._sessions, check_call(call_id))

    @operation
    async def type(self, call_id: str, line: str) -> None:
        """Type a line into the debugger of a call."""
        await self._transport.send(
            "POST", f"/calls/{check_call(call_id)}/debug", body=line.encode(), media="text/plain"
        )

    @operation
    async def why_miss(self, call_id: str) -> Json:
        """Why a call of a function with `cache=` was not given an earlier result: the first `part` that differs from
        the `nearest` call before it, and a `detail`."""
        return await self._get(f"/calls/{check_call(call_id)}/why-miss")
