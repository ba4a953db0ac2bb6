"""When a query of a user is ended: when its time is over, or the process holds more memory than it may.

One that can't be interrupted, because one of its steps takes for ever, is ended with the process, which its parent
starts again: a query must not hold a thread and a processor until somebody looks.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import duckdb

from rayfaas.errors import Unavailable

LOOK_S = 0.05
# After its time, or when memory grows on, though it was interrupted.
GRACE_S = 60.0
# Resident memory of the process: DuckDB counts its tables and sorts, but not all texts. What earlier queries left it
# with is not held against one: so much more it may always have.
MOST_BYTES = 4 << 30
MORE_BYTES = 1 << 30
LAST_BYTES = 8 << 30


class Deadline(threading.Thread):
    """Interrupts a cursor, again and again: what begins just then would not hear of it. `took_memory` says that it did
    so for memory. `give_up` is called with the reason where that does not help, `look` every time that it looks."""

    def __init__(
        self,
        cursor: duckdb.DuckDBPyConnection,
        seconds: float,
        give_up: Callable[[str], None],
        grace_s: float = GRACE_S,
        most_bytes: int = MOST_BYTES,
        last_bytes: int = LAST_BYTES,
        look: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(name="query-deadline", daemon=True)
        self._cursor, self._seconds, self._give_up = cursor, seconds, give_up
        self._grace_s, self._most_bytes, self._last_bytes, self._look = grace_s, most_bytes, last_bytes, look
        self._is_over = threading.Event()
        self.took_memory = False

    def start(self) -> None:
        """Raises `Unavailable` where there is no memory for a thread, which others have."""
        try:
            super().start()
        except RuntimeError:
            raise Unavailable("There was no memory for the query beside others. Ask again in a moment.") from None

    def run(self) -> None:
        began, most_bytes = time.monotonic(), max(self._most_bytes, resident() + MORE_BYTES)
        while not self._is_over.wait(min(LOOK_S, self._seconds)):
            self._look()
            passed_s, memory = time.monotonic() - began, resident()
            self.took_memory = self.took_memory or memory > most_bytes
            if passed_s > self._seconds or self.took_memory:
                self._cursor.interrupt()
            if passed_s > self._seconds + self._grace_s:
                return self._give_up(f"it goes on {self._grace_s:g} s after it was interrupted")
            if memory > self._last_bytes:
                return self._give_up(f"the process has {memory >> 20:,} MiB of memory")

    def end(self) -> None:
        self._is_over.set()
        self.join()


def resident(statm: Path = Path("/proc/self/statm")) -> int:
    """Bytes of memory that this process holds; 0 where the system does not tell.

    >>> resident() > 0
    True
    """
    try:
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return 0
