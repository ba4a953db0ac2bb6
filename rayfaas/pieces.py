"""Large bodies: they travel in pieces, few of them at a time, so that no process on the way holds a whole one."""

from __future__ import annotations

from collections.abc import Iterator

from rayfaas.frames import CHUNK, Body

LARGE = CHUNK
"""A body of more bytes travels in pieces."""

PIECE = 64 << 10
"""Bytes in a piece of a result. Of a call's body they are what the client sent at a time."""

UPLOAD_CREDIT = 16
"""How many pieces of a call's body may be on their way before the function has taken some."""


def pieces(body: Body) -> Iterator[memoryview]:
    """
    >>> [len(piece) for piece in pieces(bytes(2 * PIECE + 1))]
    [65536, 65536, 1]
    """
    view = memoryview(body)
    for start in range(0, len(view), PIECE):
        yield view[start : start + PIECE]
