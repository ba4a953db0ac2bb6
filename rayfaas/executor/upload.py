"""A call with a large body: it comes in pieces, once the call is begun, and no faster than it is read."""

from __future__ import annotations

import io
import threading
from collections import deque
from typing import Any

import msgspec

from rayfaas.envelope import CreditHeader
from rayfaas.executor.coercion import OPEN_FILES
from rayfaas.executor.running import CallInterrupted, RunningCall
from rayfaas.executor.signature import Signature
from rayfaas.frames import Kind
from rayfaas.pieces import PIECE, UPLOAD_CREDIT
from rayfaas.wire import MULTIPART, Arguments, File, decode_arguments, is_file, media_type, read_form

_encode = msgspec.msgpack.Encoder().encode


class RunningUpload(RunningCall):
    """`hear` is told of each piece, on the thread that reads."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._has_come = threading.Condition(self._lock)
        self._pieces: deque[bytes] = deque()
        self._is_whole = self._is_begun = False
        self._taken = 0
        self._collected: bytes | None = None

    def arguments(self, signature: Signature) -> Arguments:
        """A body that is one file is handed to a function that reads from a file while it comes; it is held once where
        the function takes bytes."""
        content_type = self.header.content_type
        if media_type(content_type) == MULTIPART:
            return Arguments((), read_form(content_type, iter(self.take, b"")))
        if not is_file(content_type) or signature.first_hint is File:
            return decode_arguments(content_type, self._collect())
        if self._collected is None and signature.first_hint in OPEN_FILES:
            return Arguments((io.BufferedReader(BodyReader(self), PIECE),), {})
        return Arguments((self._collect(),), {})

    def collect(self) -> None:
        """Have the whole body before its arguments are asked for, by who must not wait then."""
        self._collected = _read_all(self)

    def _collect(self) -> bytes:
        body, self._collected = self._collected, None
        return _read_all(self) if body is None else body

    def hear(self, piece: bytes, last: bool) -> None:
        with self._lock:
            if piece:
                self._pieces.append(piece)
            self._is_whole = self._is_whole or last
            self._has_come.notify_all()

    def take(self) -> bytes:
        """The next piece, empty after the last. Raises `CallInterrupted` where nobody waits for the call any more."""
        with self._lock:
            self._ask()
            while not self._pieces and not self._is_whole and self.cancelled is None:
                self._want()
                self._has_come.wait()
            if self.cancelled is not None:
                raise CallInterrupted(self.cancelled)
            return self._pieces.popleft() if self._pieces else b""

    def _ask(self) -> None:
        """For as many pieces as were taken; for the first ones when the call is begun."""
        if not self._is_begun:
            self._is_begun = True
            self._send(Kind.CREDIT, _encode(CreditHeader(UPLOAD_CREDIT)))
        elif self._taken == UPLOAD_CREDIT // 2 and not self._is_whole:
            self._send(Kind.CREDIT, _encode(CreditHeader(self._taken)))
            self._taken = 0
        self._taken += 1

    def _tell(self) -> None:
        self._has_come.notify_all()
        super()._tell()


class BodyReader(io.RawIOBase):
    """The body as a file that is read while it comes."""

    def __init__(self, call: RunningUpload) -> None:
        self._call = call
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest and (piece := self._call.take()):
            self._rest = memoryview(piece)
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size

    def readall(self) -> bytes:
        rest, self._rest = bytes(self._rest), memoryview(b"")
        return rest + _read_all(self._call) if rest else _read_all(self._call)


def _read_all(call: RunningUpload) -> bytes:
    """One copy of it: where nothing else has them, the bytes of a BytesIO are handed out as they are."""
    whole = io.BytesIO()
    while piece := call.take():
        whole.write(piece)
    return whole.getvalue()
