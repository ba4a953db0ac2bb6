"""The version of a file: a digest of its content, or, where that would take long, of its size, time and inode."""

from __future__ import annotations

import hashlib
import os

# Files up to this are digested by content: 64 MiB take some 50 ms.
DIGEST_BYTES = 64 << 20
_MOST_KNOWN = 20_000
_CHUNK = 1 << 20


class Fingerprints:
    """Remembers what it has digested for as long as a file's inode, size and time stay the same."""

    def __init__(self, digest_bytes: int = DIGEST_BYTES) -> None:
        self._digest_bytes = digest_bytes
        self._known: dict[tuple[int, int, int, int], str] = {}

    def of(self, path: str, stat: os.stat_result) -> str:
        """`sha256:…`, or `stat:<size>-<ns>-<inode>`. Raises OSError where the file can't be read."""
        key = (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns)
        known = self._known.get(key)
        if known is None:
            known = self._look(path, stat)
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[key] = known
        return known

    def _look(self, path: str, stat: os.stat_result) -> str:
        with open(path, "rb") as file:
            if stat.st_size > self._digest_bytes:
                return f"stat:{stat.st_size}-{stat.st_mtime_ns}-{stat.st_ino}"
            digest = hashlib.sha256()
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
            return f"sha256:{digest.hexdigest()}"
