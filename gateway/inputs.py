"""Many inputs in one request: NDJSON in, a call for each line, NDJSON out in the order of the lines.

So many calls run at once, and their answers are held until those before them are sent: a client that does not read is
not read from either. It must read while it sends, once what it sends is more than the connection holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from rayfaas.errors import BodyTooLarge, CallCancelled, RayfaasError
from rayfaas.gateway.asgi import Receive, Scope, Send
from rayfaas.gateway.http import ON_GONE
from rayfaas.gateway.in_flight import InFlight
from rayfaas.gateway.outcome import Outcome
from rayfaas.gateway.outcomes import Outcomes
from rayfaas.gateway.pending import PendingCall
from rayfaas.gateway.problems import encode
from rayfaas.gateway.recording import Recording
from rayfaas.names import new_id
from rayfaas.wire import JSON, NDJSON

MakeCall = Callable[[bytes], PendingCall]

AT_ONCE = 32


class Inputs:
    """One request with many inputs. `make_call` makes the call of one line, `target` is what the caller wrote."""

    def __init__(
        self,
        make_call: MakeCall,
        in_flight: InFlight,
        recording: Recording,
        outcomes: Outcomes,
        target: str,
        most_bytes: int,
    ) -> None:
        self._make_call, self._in_flight, self._recording = make_call, in_flight, recording
        self._outcomes = outcomes
        self._target, self._most_bytes = target, most_bytes
        self._answers: asyncio.Queue[asyncio.Task[bytes] | None] = asyncio.Queue(AT_ONCE - 1)  # and one is awaited
        self._tasks: set[asyncio.Task[Any]] = set()
        self.id = new_id()

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Returns when the last line is sent, or when the client is gone: its calls are cancelled then."""
        head = [(b"content-type", NDJSON.encode()), (b"cache-control", b"no-store")]
        head.append((b"rayfaas-call-id", self.id.encode()))
        writing = self._task(self._write(send, head))
        scope[ON_GONE] = writing.cancel
        reading = self._task(self._read(receive))
        reading.add_done_callback(lambda _: reading.cancelled() or reading.exception() is None or writing.cancel())
        try:
            await asyncio.wait([writing])
            for task in (reading, writing):
                if task.done() and not task.cancelled():
                    task.result()
        except CallCancelled:
            pass  # there is nobody to tell
        finally:
            await self._stop()

    # The two ends

    async def _read(self, receive: Receive) -> None:
        """Begin a call for each line, as many at once as there is room for. Raises where the client went away."""
        index = 0
        try:
            async for line in _lines(receive, self._most_bytes):
                if line.strip():
                    await self._answers.put(self._task(self._call(index, line)))
                    index += 1
        except BodyTooLarge as error:
            await self._answers.put(self._task(_refusal(index, error)))
        await self._answers.put(None)

    async def _write(self, send: Send, head: list[tuple[bytes, bytes]]) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": head})
        while (answer := await self._answers.get()) is not None:
            await send({"type": "http.response.body", "body": await answer, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(set(self._tasks))

    def _task(self, coroutine: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # One input

    async def _call(self, index: int, line: bytes) -> bytes:
        try:
            call = self._begin(line)
        except RayfaasError as error:
            return _line(index, Outcome.of_error(error))
        try:
            outcome = await self._outcomes.of(call)
            if outcome.problem is not None:
                outcome.problem["call"] = call.call_id
        finally:
            self._in_flight.let_go(call)
        return _line(index, outcome)

    def _begin(self, line: bytes) -> PendingCall:
        call = self._make_call(line)
        call.content_type, call.accept, call.parent_id = JSON, JSON, self.id
        if call.root_id == call.call_id:
            call.root_id = self.id
        self._recording.start(call, self._target)
        return call


async def _lines(receive: Receive, most_bytes: int) -> AsyncIterator[bytes]:
    """The lines of a body as they come. Raises `BodyTooLarge` and `CallCancelled`."""
    rest, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise CallCancelled("The client went away before it had sent the whole body.")
        more = message.get("more_body", False)
        first, *others = message.get("body", b"").split(b"\n")
        rest += first
        for following in others:
            yield bytes(rest)
            rest = bytearray(following)
        if len(rest) > most_bytes:
            raise BodyTooLarge(f"A line is over the limit of {most_bytes:,} bytes.", limit=most_bytes)
    yield bytes(rest)


async def _refusal(index: int, error: RayfaasError) -> bytes:
    return _line(index, Outcome.of_error(error))


def _line(index: int, outcome: Outcome) -> bytes:
    if outcome.problem is not None:
        return b'{"index":%d,"error":%b}\n' % (index, encode(outcome.problem))
    return b'{"index":%d,"result":%b}\n' % (index, outcome.body)
