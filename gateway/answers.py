"""Answers to calls that take the long way: dispatch, wait, record the end, and send what came, whole or as a stream."""

from __future__ import annotations

import asyncio
from functools import partial

from rayfaas.envelope import ErrorHeader, ResultHeader
from rayfaas.errors import RayfaasError, to_problem
from rayfaas.frames import Kind, Message
from rayfaas.gateway.answer_heads import call_headers, head_of, result_headers
from rayfaas.gateway.asgi import Receive, Send, send_whole
from rayfaas.gateway.cache.cache import Cache
from rayfaas.gateway.cache.call import CachedCall
from rayfaas.gateway.dispatch import Dispatcher
from rayfaas.gateway.formats import NdjsonFormat
from rayfaas.gateway.pending import PendingCall
from rayfaas.gateway.problems import send_error, send_problem
from rayfaas.gateway.progress import Progress, entry
from rayfaas.gateway.raw import RawFormat
from rayfaas.gateway.recording import Recording
from rayfaas.gateway.shadows import Shadows
from rayfaas.gateway.streams import Stream


class Answers:
    """Each method returns when the answer is sent, or when there is nobody to send it to."""

    def __init__(
        self, dispatcher: Dispatcher, recording: Recording, shadows: Shadows, cache: Cache, progress: Progress
    ) -> None:
        self._dispatcher, self._recording = dispatcher, recording
        self._shadows, self._cache, self._progress = shadows, cache, progress

    async def send(
        self, call: PendingCall, format: NdjsonFormat, receive: Receive, send: Send, tells: bool = False
    ) -> None:
        """`tells`: what it waits for is told to the caller."""
        is_begun = False
        try:
            self._dispatcher.watch_deadline(call)
            self._dispatcher.dispatch(call)
            if tells and call.cold:
                is_begun = await self._tell_progress(call, format, send)
            message = await call.answer()
        except RayfaasError as error:
            self._recording.end(call, error.code, error.retryable)
            if is_begun:
                return await send({"type": "http.response.body", "body": format.error(to_problem(error))})
            await send_error(send, error, call_headers(call))
            return
        if call.route.shadow is not None:
            self._shadows.copy(call, message)
        if is_begun:
            await self.send_stream(call, format, message, receive, send, is_begun)
        elif message.kind == Kind.ERROR:
            await self._send_failure(call, send)
        elif message.kind == Kind.RESULT and not format.is_stream and _is_single(call):
            await self._send_result(call, message, send)
        else:
            await self.send_stream(call, format, message, receive, send)

    async def send_cached(self, call: CachedCall, format: NdjsonFormat, receive: Receive, send: Send) -> None:
        """An earlier result, where there is one."""
        try:
            entry = await self._cache.find(call)
            if entry is None:
                await self.send(call, format, receive, send)
            else:
                await send_whole(send, 200, head_of(call, entry.content_type, entry.body), entry.body)
        except RayfaasError as error:
            self._recording.end(call, error.code, error.retryable)
            await send_error(send, error, call_headers(call))
        finally:
            self._cache.let_go(call)

    async def send_stream(
        self,
        call: PendingCall,
        format: NdjsonFormat,
        first: Message,
        receive: Receive,
        send: Send,
        is_begun: bool = False,
    ) -> None:
        """From its first message on. `is_begun`: its head is sent."""
        if first.kind == Kind.OUTPUT and not format.is_stream:
            format = RawFormat.of(first)
        stream = Stream(call, format, call_headers(call), partial(self._recording.end, call), is_begun)
        await stream.send(first, receive, send)

    async def _tell_progress(self, call: PendingCall, format: NdjsonFormat, send: Send) -> bool:
        """Until its wait is over; whether the answer has begun with it."""
        is_begun = False
        assert isinstance(call.first, asyncio.Future)
        async for stage in self._progress.follow(call, call.first):
            if not is_begun:
                head = [*format.headers(), *call_headers(call)]
                await send({"type": "http.response.start", "status": 200, "headers": head})
                is_begun = True
            text = format.idle() if stage is None else format.progress(entry(call, stage))
            await send({"type": "http.response.body", "body": text, "more_body": True})
        return is_begun

    async def _send_result(self, call: PendingCall, message: Message, send: Send) -> None:
        ended = call.ended
        assert isinstance(ended, ResultHeader)
        try:
            head = result_headers(call, ended, message.body)
        except ValueError as unusable:
            error = RayfaasError(f"The executor answered with a head that can't be sent: {unusable}.")
            self._recording.end(call, error.code, error.retryable)
            return await send_error(send, error, call_headers(call))
        self._recording.end(call, None, bytes_out=len(message.body))
        if isinstance(call, CachedCall):
            self._cache.keep(call, ended.content_type, message.body)
        await send_whole(send, 200, head, message.body)

    async def _send_failure(self, call: PendingCall, send: Send) -> None:
        ended = call.ended
        assert isinstance(ended, ErrorHeader)
        problem = {**ended.problem, "call": call.call_id}
        self._recording.end(call, str(problem["code"]), bool(problem["retryable"]))
        await send_problem(send, problem, call_headers(call))


def _is_single(call: PendingCall) -> bool:
    """Whether it returned one result, and was no generator."""
    return isinstance(call.ended, ResultHeader) and call.ended.items is None
