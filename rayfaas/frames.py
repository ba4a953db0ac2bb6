"""Frames: how the processes of rayfaas talk over a stream of bytes (TCP or a UNIX socket).

A frame is a prefix (length, header length, call number, kind, flags), a MessagePack header and a raw body. Many calls
share one connection. A message with a large body travels as several frames of at most CHUNK body bytes, all but the
last flagged MORE, so that small messages pass between them; `Decoder` puts the message together again.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import Any, NamedTuple, TypeAlias

import msgspec

from rayfaas.errors import ProtocolError

PROTOCOL = 1
CHUNK = 1 << 20
MAX_HEADER = 1 << 20
_PREFIX = struct.Struct("!IIQBB")
_MORE = 1

Body: TypeAlias = bytes | memoryview

encode_header = msgspec.msgpack.Encoder(enc_hook=str).encode
decode_header = msgspec.msgpack.decode


class Kind(IntEnum):
    """What a frame says. The comment names who sends it to whom."""

    HELLO = 1  # both: who I am, and the proof of it
    READY = 2  # executor → gateway: dispatch to me
    CALL = 3  # gateway → executor, and any request on a link
    CANCEL = 4  # caller → callee: nobody waits for this call any more
    RESULT = 5  # callee → caller: the end, good
    ERROR = 6  # callee → caller: the end, bad
    ITEM = 7  # callee → caller: one element of a stream
    LOG = 8  # executor → gateway: output of a call
    CREDIT = 9  # caller → callee: so many more items may come
    PING = 10  # both: still there
    DRAIN = 11  # executor → gateway: no more calls to me; the gateway echoes it as its last word
    ACCESS = 12  # executor → gateway: with what may this call call others? The gateway answers in kind
    CHECK = 13  # gateway → executor: would these arguments do? Like a CALL that ends before the function
    DEBUG = 14  # executor → gateway: what a call's debugger says; gateway → executor: the line that was typed
    OPEN = 15  # gateway → executor: a request or WebSocket for the application that it serves
    INPUT = 16  # gateway → executor: what its client sent. The executor grants CREDIT for it
    UPLOAD = 17  # gateway → executor: a CALL whose body follows in INPUTs
    OUTPUT = 18  # executor → gateway: a piece of a result; the last piece comes with the RESULT
    TRACKED = (
        23  # executor → gateway: all that a call whose result is to be kept touched, to tell whether that still holds
    )
    TOUCHED = 24  # executor → gateway: which artifacts a call read and wrote; it may have ended long ago
    ARGUMENTS = 25  # executor → gateway: what a call that is to be recorded so was called with


class Message(NamedTuple):
    """One whole message. `header` is MessagePack, still encoded: who knows the kind knows its type."""

    kind: int
    call: int
    header: bytes
    body: bytes


def encode(kind: int, call: int, header: bytes, body: Body = b"", flags: int = 0) -> bytes:
    """One frame. `body` must not be longer than CHUNK; see `split`."""
    return b"".join((_PREFIX.pack(14 + len(header) + len(body), len(header), call, kind, flags), header, body))


def split(kind: int, call: int, header: bytes, body: Body) -> Iterator[bytes]:
    """The frames of a message with a body of any length."""
    view, last = memoryview(body), max(0, (len(body) - 1) // CHUNK)
    for i in range(last + 1):
        chunk = bytes(view[i * CHUNK : (i + 1) * CHUNK])
        yield encode(kind, call, header if i == 0 else b"", chunk, 0 if i == last else _MORE)


def header_of(message: Message) -> dict[str, Any]:
    """The header as a dict, for kinds that are not on the hot path."""
    try:
        header = decode_header(message.header) if message.header else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"a header is not MessagePack: {error}") from error
    if not isinstance(header, dict):
        raise ProtocolError("a header is not a map")
    return header


class Decoder:
    """Cuts a stream of bytes into messages. Raises `ProtocolError` on anything that is not one of ours.

    `max_body` limits a message put together from chunks, in bytes.
    """

    def __init__(self, max_body: int = 1 << 31) -> None:
        self.max_body = max_body
        self._rest = bytearray()
        self._partial: dict[tuple[int, int], tuple[bytes, list[bytes], int]] = {}

    def feed(self, data: bytes) -> list[Message]:
        if not self._rest:
            messages, used = self._parse(data)
            self._rest += memoryview(data)[used:]
            return messages
        self._rest += data
        messages, used = self._parse(self._rest)
        del self._rest[:used]
        return messages

    def _parse(self, data: bytes | bytearray) -> tuple[list[Message], int]:
        messages: list[Message] = []
        at, end = 0, len(data)
        while end - at >= 18:
            length, header_length, call, kind, flags = _PREFIX.unpack_from(data, at)
            if header_length > MAX_HEADER or not 14 + header_length <= length <= 14 + header_length + CHUNK:
                raise ProtocolError("the peer does not speak rayfaas frames")
            stop = at + 4 + length
            if stop > end:
                break
            body_at = at + 18 + header_length
            message = Message(kind, call, bytes(data[at + 18 : body_at]), bytes(data[body_at:stop]))
            at = stop
            if flags or (self._partial and (kind, call) in self._partial):
                whole = self._add_chunk(message, bool(flags & _MORE))
                if whole is None:
                    continue
                message = whole
            messages.append(message)
        return messages, at

    def _add_chunk(self, message: Message, more: bool) -> Message | None:
        key = (message.kind, message.call)
        header, chunks, size = self._partial.pop(key, (message.header, [], 0))
        size += len(message.body)
        if size > self.max_body:
            raise ProtocolError(f"a body is over {self.max_body} bytes")
        chunks.append(message.body)
        if more:
            self._partial[key] = (header, chunks, size)
            return None
        return Message(message.kind, message.call, header, b"".join(chunks))


class StrangerDecoder(Decoder):
    """For a peer that has not proved who it is: it may say so much, in bytes, and no more."""

    def __init__(self, max_total: int) -> None:
        super().__init__()
        self._left = max_total

    def feed(self, data: bytes) -> list[Message]:
        self._left -= len(data)
        if self._left < 0:
            raise ProtocolError("the peer says too much before it has proved who it is")
        return super().feed(data)
