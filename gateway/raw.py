"""A large result, or what a generator of bytes makes: passed on to the client as it comes, in the type that it has."""

from __future__ import annotations

from typing import Any

import msgspec

from rayfaas.envelope import OutputHeader
from rayfaas.frames import Message
from rayfaas.gateway.formats import NdjsonFormat

_decode = msgspec.msgpack.Decoder(OutputHeader).decode


class RawFormat(NdjsonFormat):
    """An error cuts it off, so that no client takes it for whole."""

    content_type = ""
    carries_logs = False
    cuts_off = True
    around = (b"", b"")

    def __init__(self, content_type: str, length: int | None) -> None:
        self.content_type, self._length = content_type, length  # type: ignore[misc] # of this one, not of all

    @classmethod
    def of(cls, first: Message) -> RawFormat:
        """Raises ValueError where the executor gave a type that would break out of its header."""
        header = _decode(first.header)
        if not header.content_type.isprintable():
            raise ValueError(f"{header.content_type!r} is not a Content-Type")
        return cls(header.content_type, header.length)

    def headers(self) -> list[tuple[bytes, bytes]]:
        told = [] if self._length is None else [(b"content-length", b"%d" % self._length)]
        return [(b"content-type", self.content_type.encode()), *told]

    def log(self, entry: dict[str, Any]) -> bytes:
        return b""

    def debug(self, entry: dict[str, Any]) -> bytes:
        return b""

    def done(self, summary: dict[str, Any]) -> bytes:
        return b""
