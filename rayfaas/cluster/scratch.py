"""Directories that executors work in: one for each, removed with it, and after a supervisor that was killed too."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path

from rayfaas.names import new_id


class Scratch:
    """Those of one supervisor, below a directory of its own in `directory`, which it holds a lock on while it lives."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._own = directory / new_id()
        self._lock = -1

    def start(self) -> None:
        """Make it, and remove those that killed supervisors left."""
        self._own.mkdir(parents=True, mode=0o700)
        self._lock = os.open(self._own, os.O_RDONLY)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        for other in self._directory.iterdir():
            if other != self._own:
                _remove_if_left(other)

    def path(self, executor: str) -> Path:
        """The executor makes it."""
        return self._own / executor

    def remove(self, executor: str) -> None:
        shutil.rmtree(self.path(executor), ignore_errors=True)

    def stop(self) -> None:
        shutil.rmtree(self._own, ignore_errors=True)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _remove_if_left(directory: Path) -> None:
    try:
        lock = os.open(directory, os.O_RDONLY)
    except OSError:
        return  # another supervisor was faster
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(directory, ignore_errors=True)
    except BlockingIOError:
        pass  # its supervisor lives
    finally:
        os.close(lock)
