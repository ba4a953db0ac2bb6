"""How large an Arrow IPC stream is when it is unpacked, told before anything of it is: a few bytes of zstd can be many
gigabytes. Read from the messages' metadata, which is FlatBuffers (https://arrow.apache.org/docs/format/Columnar.html).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from rayfaas.errors import BodyTooLarge, MalformedBody

MOST_UNPACKED = 2 << 30
"""Bytes, as many as a body may have that is not compressed."""
# Rows that need no bytes (nulls, empty lists) are made objects of eight bytes and more all the same.
_FREE_ROWS = 1 << 20
_ROWS_OF_A_BYTE = 8

_DICTIONARY, _RECORDS = 2, 3  # kinds of messages that have buffers
_MESSAGE_KIND, _MESSAGE_HEADER = 1, 2
_DICTIONARY_DATA = 1
_ROWS, _BUFFERS, _COMPRESSION = 0, 2, 3
_NOT_COMPRESSED = -1


def check_size(pyarrow: Any, body: Any, most: int = MOST_UNPACKED) -> None:
    """Raises `BodyTooLarge`, and what pyarrow raises for what is no Arrow."""
    size = rows = 0
    for message in pyarrow.ipc.MessageReader.open_stream(body):
        for more, length in _batches(message):
            size, rows = size + more, rows + length
            if size > most:
                raise BodyTooLarge(f"Unpacked, the Arrow body has over {most:,} bytes, which is the limit.", limit=most)
    if rows > _FREE_ROWS + size * _ROWS_OF_A_BYTE:
        raise BodyTooLarge(f"The Arrow body says that it has {rows:,} rows, in {size:,} bytes.")


def _batches(message: Any) -> Iterator[tuple[int, int]]:
    """Bytes and rows of the one in a message, if there is one."""
    data = memoryview(message.metadata)
    try:
        root = _Table(data, struct.unpack_from("<I", data)[0])
        kind = root.number(_MESSAGE_KIND, "<B")
        if kind in (_DICTIONARY, _RECORDS):
            header = root.table(_MESSAGE_HEADER)
            batch = header.table(_DICTIONARY_DATA) if kind == _DICTIONARY else header
            yield _unpacked(batch, memoryview(message.body)), max(0, batch.number(_ROWS, "<q"))
    except struct.error as error:
        raise MalformedBody(f"The body is not an Arrow IPC stream: {error}") from None


def _unpacked(batch: _Table, body: memoryview) -> int:
    is_compressed = batch.has(_COMPRESSION)
    return sum(_length(body, offset, length, is_compressed) for offset, length in batch.pairs(_BUFFERS))


def _length(body: memoryview, offset: int, length: int, is_compressed: bool) -> int:
    """Of one buffer. A compressed one begins with its length, or says that it is not."""
    if not is_compressed or length < 8:
        return max(0, length)
    (told,) = struct.unpack_from("<q", body, offset)
    return length - 8 if told == _NOT_COMPRESSED else max(0, told)


class _Table:
    """One of FlatBuffers, at `at`: its fields are found by their numbers."""

    def __init__(self, data: memoryview, at: int) -> None:
        self._data, self._at = data, at
        self._fields = at - struct.unpack_from("<i", data, at)[0]
        self._end = self._fields + struct.unpack_from("<H", data, self._fields)[0]

    def has(self, field: int) -> bool:
        return self._place(field) != 0

    def number(self, field: int, form: str) -> int:
        place = self._place(field)
        return int(struct.unpack_from(form, self._data, place)[0]) if place else 0

    def table(self, field: int) -> _Table:
        return _Table(self._data, self._target(field))

    def pairs(self, field: int) -> Iterator[tuple[int, int]]:
        """A vector of structs of two long numbers."""
        if self.has(field):
            at = self._target(field)
            (count,) = struct.unpack_from("<I", self._data, at)
            for n in range(count):
                yield struct.unpack_from("<qq", self._data, at + 4 + 16 * n)

    def _target(self, field: int) -> int:
        place = self._place(field)
        return place + int(struct.unpack_from("<I", self._data, place)[0])

    def _place(self, field: int) -> int:
        entry = self._fields + 4 + 2 * field
        offset = struct.unpack_from("<H", self._data, entry)[0] if entry < self._end else 0
        return self._at + offset if offset else 0
