"""The version of a file: a digest of its content, or, where that would take long, of its size, time and inode.

Of a directory it is a digest of the names in it, of what is not there `absent`.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time

ABSENT = "absent"
# Files up to this are digested by content: 64 MiB take some 50 ms.
DIGEST_BYTES = 64 << 20
# The clock of a file system ticks more slowly than that of the processor: within a tick a file may change twice, and
# its time does not tell.
TICK_NS = 10_000_000
_MOST_KNOWN = 20_000
_CHUNK = 1 << 20


class Fingerprints:
    """Remembers what it has digested for as long as a file's inode, size and times stay the same."""

    def __init__(self, digest_bytes: int = DIGEST_BYTES) -> None:
        self._digest_bytes = digest_bytes
        self._known: dict[tuple[int, int, int, int, int], str] = {}

    def now(self, path: str) -> str:
        """The version of whatever is at `path`. Raises OSError where that can't be read, or is no file or directory."""
        try:
            status = os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return ABSENT
        if stat.S_ISDIR(status.st_mode):
            return names_in(path)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(f"{path} is no file")
        return self.of(path, status)

    def of(self, path: str, status: os.stat_result) -> str:
        """`sha256:…`, or `stat:<size>-<ns>-<inode>`. Raises OSError where the file can't be read."""
        key = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        known = self._known.get(key)
        if known is None:
            known = self._look(path, status)
            if time.time_ns() - status.st_ctime_ns > TICK_NS:
                self._remember(key, known)
        return known

    def _remember(self, key: tuple[int, int, int, int, int], version: str) -> None:
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[key] = version

    def _look(self, path: str, status: os.stat_result) -> str:
        with open(path, "rb") as file:
            if status.st_size > self._digest_bytes:
                return f"stat:{status.st_size}-{status.st_mtime_ns}-{status.st_ino}"
            digest = hashlib.sha256()
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
            return f"sha256:{digest.hexdigest()}"


def names_in(directory: str) -> str:
    """`names:…`, a digest of what is in a directory, by name. Raises OSError."""
    names = b"".join(os.fsencode(name) + b"\0" for name in sorted(os.listdir(directory)))
    return f"names:{hashlib.sha256(names).hexdigest()}"
