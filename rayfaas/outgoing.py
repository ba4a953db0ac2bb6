"""The body of a request on its way out: bytes, of which large ones go in pieces and are not copied, or an open file."""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import AsyncIterator
from typing import Any, BinaryIO, TypeAlias

from rayfaas.pieces import LARGE, pieces

Content: TypeAlias = bytes | BinaryIO

_READ = 256 << 10


def is_file(value: Any) -> bool:
    """Whether it is a file that was opened for reading bytes.

    >>> is_file(io.BytesIO(b"some")), is_file(io.StringIO("some")), is_file(b"some")
    (True, False, False)
    """
    return isinstance(value, io.RawIOBase | io.BufferedIOBase) and value.readable()


def content_of(body: Content) -> bytes | AsyncIterator[bytes] | None:
    """As the HTTP library takes it."""
    if isinstance(body, bytes):
        return _in_pieces(body) if len(body) > LARGE else body or None
    return _of_file(body)


def length_of(body: Content) -> dict[str, str]:
    """The Content-Length, where the HTTP library can't know it: from where a file stands to its end."""
    if isinstance(body, bytes):
        return {"Content-Length": str(len(body))} if len(body) > LARGE else {}
    if not body.seekable():
        return {}
    at = body.tell()
    end = body.seek(0, os.SEEK_END)
    body.seek(at)
    return {"Content-Length": str(end - at)}


async def _in_pieces(body: bytes) -> AsyncIterator[bytes]:
    for piece in pieces(body):
        yield bytes(piece)


async def _of_file(file: BinaryIO) -> AsyncIterator[bytes]:
    while piece := await asyncio.to_thread(file.read, _READ):
        yield piece
