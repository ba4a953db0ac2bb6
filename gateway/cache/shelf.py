"""Results on disk, a file for each, whole or not at all; those that nobody asked for longest go first.

The gateways of a home share the folder, and none needs to be alive for the others.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from rayfaas.whole_file import write_whole

# What is over the limit is looked for when so much of it was added, and taken down to so much of it.
_ADDED, _LEFT = 1 / 16, 0.9
# A file that is being written so long belongs to a process that is gone.
_SCRATCH_S = 600.0
_SCRATCH = ".new-"
_DIGEST_BYTES = 32


class Entry(msgspec.Struct, array_like=True, frozen=True):
    """What `call` of `version` came to. It holds while each of `artifacts`, a URI and a version, is so."""

    call: str
    version: int
    made_us: int
    content_type: str
    artifacts: tuple[tuple[str, str], ...]
    body: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Entry).decode


class Shelf:
    """Below `directory`, `most_bytes` at the most and a little more. May be used by several threads and processes."""

    def __init__(self, directory: Path, most_bytes: int) -> None:
        self._directory, self._most_bytes = directory, most_bytes
        self._added = most_bytes  # there may be anything

    def get(self, key: str) -> Entry | None:
        """None too for what is damaged, as a power cut leaves it, or was written by another rayfaas in another way."""
        path = self._path(key)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        digest, content = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
        if hashlib.sha256(content).digest() != digest:
            return None
        try:
            os.utime(path)  # it was asked for just now
        except OSError:
            pass  # it went meanwhile
        try:
            return _decode(content)
        except msgspec.DecodeError:
            return None

    def put(self, key: str, entry: Entry) -> None:
        """Raises OSError where it can't be kept."""
        content = _encode(entry)
        path = self._path(key)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(path, hashlib.sha256(content).digest() + content, scratch=_SCRATCH)
        self._added += len(content)
        if self._added > self._most_bytes * _ADDED:
            self.sweep()

    def sweep(self) -> None:
        """Delete what was not asked for longest, until there is room."""
        self._added = 0
        files = sorted(self._files(), key=lambda file: file.used_s)
        total = sum(file.size for file in files)
        if total <= self._most_bytes:
            return
        for file in files:
            file.path.unlink(missing_ok=True)
            total -= file.size
            if total <= self._most_bytes * _LEFT:
                return

    def _files(self) -> Iterator[_File]:
        for folder in os.scandir(self._directory):
            for each in os.scandir(folder) if folder.is_dir() else ():
                try:
                    status = each.stat()
                except FileNotFoundError:
                    continue  # another gateway deleted it
                if each.name.startswith(_SCRATCH):
                    if time.time() - status.st_mtime > _SCRATCH_S:
                        Path(each.path).unlink(missing_ok=True)
                else:
                    yield _File(Path(each.path), status.st_size, status.st_mtime)

    def _path(self, key: str) -> Path:
        return self._directory / key[:2] / key


class _File(NamedTuple):
    path: Path
    size: int
    used_s: float
