"""How far the process may grow while queries of users run. DuckDB counts its tables, sorts and groups, but not the
texts and lists of the rows that it has in hand: two thousand of ten megabytes each are one step, which nothing
interrupts. So the system says no: the step fails, and the process goes on.

Address space counts, so what is freed has to be given back: who starts the process tells DuckDB's allocator so.
"""

from __future__ import annotations

import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

# Two that DuckDB counts, and as much for what it does not.
ROOM_BYTES = 4 << 30
# For everybody else, once, where a query takes nearly all of that and does not fail.
_MORE_BYTES = 512 << 20
_NEAR_BYTES = 64 << 20


class Ceiling:
    """Of this process; it is in force while at least one query is `held`."""

    def __init__(self, room_bytes: int = ROOM_BYTES) -> None:
        self._room_bytes = room_bytes
        self._lock = threading.Lock()
        self._running = 0
        self._bytes = 0  # 0: it is not in force, or was raised already

    @contextmanager
    def held(self) -> Iterator[None]:
        """While a query runs. What needs more raises `duckdb.OutOfMemoryException` or `MemoryError` inside."""
        self._begin()
        try:
            yield
        finally:
            self._end()

    @property
    def is_held(self) -> bool:
        """Whether a query runs: it may have what another one lacks."""
        return self._running > 0

    def look(self) -> None:
        """To be called now and then while a query runs: when it is nearly reached it is raised a little, so that there
        is memory for the rest of the process until that query has failed, or is over."""
        with self._lock:
            if self._bytes and Memory.now().mapped > self._bytes - _NEAR_BYTES:
                _set(self._bytes + _MORE_BYTES)
                self._bytes = 0

    def _begin(self) -> None:
        with self._lock:
            self._running += 1
            memory = Memory.now()
            if self._running == 1 and memory.mapped:
                self._bytes = max(memory.resident + self._room_bytes, memory.mapped + _MORE_BYTES)
                _set(self._bytes)

    def _end(self) -> None:
        with self._lock:
            self._running -= 1
            if self._running == 0:
                self._bytes = 0
                _set(resource.RLIM_INFINITY)


class Memory(NamedTuple):
    """Bytes of this process that are its own: what it has the right to write to, which is limited, and what of that is
    in memory. An allocator may keep more of the first than there is in use. 0 where the system does not tell."""

    mapped: int
    resident: int

    @classmethod
    def now(cls, status: Path = Path("/proc/self/status")) -> Memory:
        """
        >>> Memory.now().mapped >= Memory.now().resident > 0
        True
        """
        try:
            told = dict(each.split(":", 1) for each in status.read_text().splitlines())
            return cls(*(int(told[name].split()[0]) << 10 for name in ("VmData", "RssAnon")))
        except (OSError, ValueError, KeyError):
            return cls(0, 0)


def _set(soft: int) -> None:
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    least = soft if hard == resource.RLIM_INFINITY or 0 <= soft < hard else hard
    resource.setrlimit(resource.RLIMIT_DATA, (least, hard))
