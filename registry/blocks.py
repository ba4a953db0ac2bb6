"""Parts of files that are kept on this disk, so that a store is not asked for them again.

The end of a Parquet file tells what is in it where: ends are kept for as long as the file counts. Of the rest, so many
bytes are kept as there is room for, those that were used last. What is damaged, or can't be kept, is read again.
"""

from __future__ import annotations

import hashlib
import os
import threading
import zlib
from pathlib import Path

from rayfaas.names import new_id

_CHECK_BYTES = 4


class Blocks:
    """May be used from several threads at once."""

    def __init__(self, directory: Path, most_bytes: int) -> None:
        self._directory, self._most_bytes = directory, most_bytes
        self._lock = threading.Lock()
        self._bytes = sum(size for _, size, _ in self._kept())

    def get(self, url: str, part: str) -> bytes | None:
        """A part that is kept; `part` is `end` or the number of a block."""
        path = self._path(url, part)
        try:
            found = path.read_bytes()
            os.utime(path)
        except OSError:
            return None
        check, data = found[:_CHECK_BYTES], found[_CHECK_BYTES:]
        return data if check == _check(data) else None

    def put(self, url: str, part: str, data: bytes) -> None:
        path = self._path(url, part)
        scratch = path.with_name(f"{new_id()}.new")
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            scratch.write_bytes(_check(data) + data)
            scratch.rename(path)
        except OSError:
            scratch.unlink(missing_ok=True)
            return
        if part != "end":
            self._make_room(len(data) + _CHECK_BYTES)

    def forget(self, url: str) -> None:
        """The file is gone."""
        for path in self._directory.glob(f"{_digest(url)}.*"):
            path.unlink(missing_ok=True)

    def _make_room(self, added: int) -> None:
        with self._lock:
            self._bytes += added
            if self._bytes <= self._most_bytes:
                return
            kept = sorted(self._kept())
            self._bytes = sum(size for _, size, _ in kept)
            for _, size, path in kept:
                if self._bytes <= self._most_bytes * 9 // 10:
                    break
                path.unlink(missing_ok=True)
                self._bytes -= size

    def _kept(self) -> list[tuple[float, int, Path]]:
        """All but the ends, and when each was used last."""
        found = []
        for path in self._directory.glob("*"):
            try:
                told = path.stat()
            except FileNotFoundError:
                continue
            if path.suffix != ".end":
                found.append((told.st_mtime, told.st_size, path))
        return found

    def _path(self, url: str, part: str) -> Path:
        return self._directory / f"{_digest(url)}.{part}"


def _digest(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()[:32]


def _check(data: bytes) -> bytes:
    return zlib.crc32(data).to_bytes(_CHECK_BYTES, "big")
