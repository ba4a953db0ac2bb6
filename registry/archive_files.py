"""The file system `archive://` of DuckDB: it has the archive's files that are in object stores, to be read, and nothing
else. DuckDB reaches no network: what it reads comes from the parts that are kept on this disk, or through `Bucket`.

A file's end, which tells what is in it where, is on this disk: to a question that needs none of its rows, no store is
asked. So recent calls are found while a store is away.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import duckdb
from fsspec import AbstractFileSystem

from rayfaas.errors import Unavailable
from rayfaas.registry.blocks import Blocks
from rayfaas.registry.bucket import ArchiveAway, Bucket

SCHEME = "archive://"
BLOCK = 1 << 20
# DuckDB looks at so much of a file's end first.
_END = 32 << 10
# The last bytes of a Parquet file: the length of what is before them, and a mark.
_MARK = 8
_UNREADABLE = re.compile(rf"^(?:[\w.]+\.)?{ArchiveAway.__name__}: (.*)$", re.MULTILINE)


class ArchiveFiles(AbstractFileSystem):  # type: ignore[misc]
    """May be read from several threads at once."""

    protocol = "archive"
    cachable = False  # fsspec would hand out one for all

    def __init__(self, bucket: Bucket, blocks: Blocks) -> None:
        super().__init__()
        self._bucket, self._blocks = bucket, blocks
        self._bytes: Mapping[str, int] = {}

    # What the registry says

    def know(self, files: Mapping[str, int]) -> None:
        """URLs of files that may be read, with their bytes. Those that were known stay: who reads them may end it."""
        self._bytes = {**self._bytes, **files}

    def keep_end(self, url: str, file: Path) -> None:
        """The file is about to be in a store."""
        with file.open("rb") as opened:
            size = opened.seek(0, 2)
            opened.seek(max(0, size - _END))
            last = opened.read()
            opened.seek(max(0, size - _length_of_end(last)))
            self._blocks.put(url, "end", opened.read())

    def forget(self, url: str) -> None:
        self._blocks.forget(url)

    # What DuckDB asks

    def open(self, path: str, mode: str = "rb", **_: Any) -> _Reader:
        if mode != "rb":
            raise PermissionError("The archive's files are read only.")
        return _Reader(self, _url(path), self.size(path))

    def glob(self, path: str, **_: Any) -> list[str]:
        return [path]

    def size(self, path: str) -> int:
        try:
            return self._bytes[_url(path)]
        except KeyError:
            raise FileNotFoundError("The archive has no such file.") from None

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        return {"name": path, "size": self.size(path), "type": "file"}

    def modified(self, _: str) -> datetime:
        return datetime(2000, 1, 1, tzinfo=timezone.utc)  # they never change

    def read(self, url: str, size: int, start: int, end: int) -> bytes:
        """The bytes from `start` to before `end`. Raises `ArchiveAway`."""
        if end > size - _END:
            kept = self._end(url, size)
            if start >= size - len(kept):
                at = size - len(kept)
                return kept[start - at : end - at]
        return self._body(url, size, start, end)

    def _end(self, url: str, size: int) -> bytes:
        kept = self._blocks.get(url, "end")
        if kept is None:
            kept = self._bucket.read(url, max(0, size - _END), size)
            if (length := min(size, _length_of_end(kept))) > len(kept):
                kept = self._bucket.read(url, size - length, size)
            self._blocks.put(url, "end", kept)
        return kept

    def _body(self, url: str, size: int, start: int, end: int) -> bytes:
        numbers = range(start // BLOCK, (end - 1) // BLOCK + 1)
        found = {number: self._blocks.get(url, str(number)) for number in numbers}
        lacking = [number for number in numbers if found[number] is None]
        if lacking:
            # In one request, with those between that are kept: a request costs more than some bytes.
            first, last = lacking[0] * BLOCK, min(size, (lacking[-1] + 1) * BLOCK)
            read = self._bucket.read(url, first, last)
            for number in range(lacking[0], lacking[-1] + 1):
                found[number] = read[number * BLOCK - first : (number + 1) * BLOCK - first]
                if number in lacking:
                    self._blocks.put(url, str(number), found[number] or b"")
        whole = b"".join(found[number] or b"" for number in numbers)
        return whole[start - numbers[0] * BLOCK : end - numbers[0] * BLOCK]


class _Reader:
    """An open file. DuckDB's threads share it, and each seeks before it reads: so each has a place of its own."""

    def __init__(self, files: ArchiveFiles, url: str, size: int) -> None:
        self._files, self._url, self._size = files, url, size
        self._places: dict[int, int] = {}

    def seek(self, place: int) -> int:
        self._places[threading.get_ident()] = place
        return place

    def tell(self) -> int:
        return self._places.get(threading.get_ident(), 0)

    def read(self, length: int = -1) -> bytes:
        start = self.tell()
        end = self._size if length < 0 else min(start + length, self._size)
        found = self._files.read(self._url, self._size, start, end) if start < end else b""
        self.seek(start + len(found))
        return found

    def close(self) -> None:
        self._places.clear()


def unreadable(error: duckdb.Error) -> Unavailable | None:
    """What is told where a query failed because a file of the archive could not be had."""
    found = _UNREADABLE.search(str(error))
    return Unavailable(found[1]) if found else None


def _url(path: str) -> str:
    return path.removeprefix(SCHEME)


def _length_of_end(last: bytes) -> int:
    """Of a Parquet file, by its last bytes."""
    return max(_END, _MARK + int.from_bytes(last[-_MARK:-4], "little"))
