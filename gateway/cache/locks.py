"""Which keys this gateway computes, so that no other gateway of the machine does: a byte of one file for each.

The kernel takes the locks back when the process ends, however it ends.
"""

from __future__ import annotations

import fcntl
import os
from functools import cached_property
from pathlib import Path


class Locks:
    """Each key at most once at a time in one process: such locks are a process's, not a holder's."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._taken: set[str] = set()

    def take(self, key: str) -> bool:
        """Whether no other process has it. Raises OSError where the file can't be made."""
        try:
            fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _place(key))
        except (BlockingIOError, PermissionError):
            return False
        self._taken.add(key)
        return True

    def free(self, key: str) -> None:
        """Nothing happens where it is not ours: there may be no file to say so in."""
        if key not in self._taken:
            return
        self._taken.remove(key)
        fcntl.lockf(self._fd, fcntl.LOCK_UN, 1, _place(key))

    @cached_property
    def _fd(self) -> int:
        """Never closed: to close any descriptor of a file ends all locks of the process on it."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _place(key: str) -> int:
    return int(key[:15], 16)
