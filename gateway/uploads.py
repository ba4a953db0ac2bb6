"""Large bodies of calls on their way in: read from the client no faster than the executor takes them, and never held.

The call is dispatched when its head is here; its executor asks for the body when it begins the call. So nothing of a
body is sent before its turn, and a call that waits behind others can still be given to another executor.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, MutableMapping
from typing import Any, NamedTuple

import msgspec

from rayfaas.envelope import UploadHeader
from rayfaas.errors import BodyTooLarge, CallCancelled, RayfaasError
from rayfaas.frames import Kind
from rayfaas.gateway.asgi import Receive
from rayfaas.gateway.fed_calls import FedCall
from rayfaas.gateway.heads import Headers
from rayfaas.pieces import LARGE

_encode = msgspec.msgpack.Encoder().encode
_MORE, _LAST = _encode(UploadHeader(False)), _encode(UploadHeader(True))


class Body(NamedTuple):
    """What has come of a body, and whether there is more; `length` is what its head says, or what has come."""

    start: bytes
    more: bool = False
    length: int = 0

    @property
    def held(self) -> bytes:
        """What the call itself holds: all of it, or nothing."""
        return b"" if self.more else self.start


class UploadCall(FedCall):
    """It is fed its body, of which nothing is in it."""

    __slots__ = ("is_whole",)
    kind = Kind.UPLOAD

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.is_whole = False

    @property
    def lateness(self) -> str:
        return super().lateness if self.is_whole else "did not get the whole body"


async def begin_body(receive: Receive, headers: Headers, limit: int, whole: bool = False) -> Body:
    """A body that is not large, whole; of a large one the start, or nothing where its length is told.

    With `whole` all of any. Raises `BodyTooLarge`, before reading where the length is told.
    """
    told = headers.get(b"content-length", b"")
    length = int(told) if told.isdigit() else 0
    if length > limit:
        raise _too_large(f"The body has {length:,} bytes, the limit is {limit:,}.", limit, whole)
    if length > LARGE and not whole:
        return Body(b"", True, length)
    chunks: list[bytes] = []
    size, more = 0, True
    while more and (whole or size <= LARGE):
        chunk, more = await _receive(receive)
        chunks.append(chunk)
        size += len(chunk)
        if size > limit:
            raise _too_large(f"The body is over the limit of {limit:,} bytes.", limit, whole)
    return Body(chunks[0] if len(chunks) == 1 else b"".join(chunks), more, max(size, length))


class Upload:
    """One body under way. `fail` is told what ended it, where it does not come whole."""

    def __init__(
        self, call: UploadCall, start: bytes, receive: Receive, limit: int, fail: Callable[[RayfaasError], object]
    ) -> None:
        self._call, self._start, self._receive, self._limit, self._fail = call, start, receive, limit, fail
        self._task = asyncio.ensure_future(self._run())

    async def receive(self) -> MutableMapping[str, Any]:
        """What the client says after its body."""
        await asyncio.wait([self._task])
        return await self._receive()

    def stop(self) -> None:
        self._task.cancel()

    async def _run(self) -> None:
        try:
            await self._feed()
        except RayfaasError as error:
            self._fail(error)

    async def _feed(self) -> None:
        size, more, chunk = len(self._start), True, self._start
        while more:
            await self._call.may_send()
            while more and not chunk:
                chunk, more = await _receive(self._receive)
                size += len(chunk)
            if size > self._limit:
                raise _too_large(f"The body is over the limit of {self._limit:,} bytes.", self._limit)
            self._call.feed(_MORE if more else _LAST, chunk)
            chunk = b""
        self._call.is_whole = True


async def _receive(receive: Receive) -> tuple[bytes, bool]:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise CallCancelled("The client went away before it had sent the whole body.")
    return message.get("body", b""), message.get("more_body", False)


def _too_large(detail: str, limit: int, is_held: bool = False) -> BodyTooLarge:
    way_out = "call it and wait for its answer: others are held" if is_held else "raise `rayfaas up --max-body-mb`"
    return BodyTooLarge(f"{detail} Put it into a store and send where it is, or {way_out}.", limit=limit)
