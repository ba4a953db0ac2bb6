"""The call journal: an append-only NDJSON file of this gateway, one `write` per record.

What was written survives kill −9 of anything on this machine, and what was spawned a power cut too. The file is locked
for as long as this process lives; a free lock tells the registry that no more records will come.
"""

from __future__ import annotations

import asyncio
import fcntl
import itertools
import logging
import os
import time
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path

from rayfaas.errors import Unavailable
from rayfaas.records import (
    CallEnded,
    CallStarted,
    Compared,
    Kept,
    LogLine,
    LookedUp,
    Record,
    Recorded,
    Settled,
    Spawned,
    Told,
    Touched,
    encode_record,
    encode_records,
)

_log = logging.getLogger("rayfaas.journal")

# A segment that is full is followed by another, so that the registry can delete what it has loaded. A call may begin in
# one and end in a later one.
SEGMENT_BYTES = 64 << 20
# What calls print while the disk is full is held up to this, and dropped beyond; how they end is always held.
MOST_LATE_OUTPUT = 16 << 20


class Journal:
    """Appends records. `directory` is shared with the registry, which reads and deletes segments."""

    def __init__(self, directory: Path, gateway: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._numbers = itertools.count()
        self.instance = f"{gateway}-{time.time_ns()}"  # this life of this gateway
        self._fd = -1
        self._size = 0
        self._name = ""
        self._unsynced: list[asyncio.Future[None]] = []
        self._syncs: list[asyncio.Future[None]] = []  # those that the present sync is for
        self._syncing: asyncio.Task[None] | None = None
        self._late: deque[bytes] = deque()  # what could not be written yet
        self._late_output = 0  # bytes of output in it
        self._open()

    def started(self, *records: CallStarted) -> None:
        """All or none. Raises `Unavailable` if they can't be written: a call that is not recorded is not run."""
        try:
            self._append(encode_records(records))
        except OSError as error:
            _log.error("the call journal can't be written: %s", error)
            raise Unavailable(
                f"Calls can't be recorded ({error.strerror}), so none is run. Free space in {self._directory}."
            ) from error

    def ended(self, record: CallEnded | Settled | Told | Compared | LookedUp | Kept) -> None:
        self._keep(record)

    def turned(self, starts: Sequence[CallStarted], ends: Sequence[CallEnded]) -> None:
        """What one turn of the loop began and ended, in one write.

        Raises `Unavailable` if the starts can't be written; the ends are kept in any case.
        """
        if not self._late:
            try:
                return self._append(encode_records([*starts, *ends]))
            except OSError:
                pass  # there may be room for some of it
        try:
            self.started(*starts)
        finally:
            for end in ends:
                self._keep(end)

    async def spawned(self, record: Spawned) -> None:
        """Returns when it is on disk, power cuts included; who comes meanwhile shares the wait for the disk.

        Raises `Unavailable` if it can't be written: then the call is not accepted.
        """
        try:
            self._append(encode_record(record) + b"\n")
            waiting = asyncio.get_running_loop().create_future()
            self._unsynced.append(waiting)
            if self._syncing is None or self._syncing.done():
                self._syncing = asyncio.ensure_future(self._sync())
            await waiting
        except OSError as error:
            _log.error("the call journal can't be written: %s", error)
            raise Unavailable(f"The call can't be kept ({error.strerror}), so it is not accepted.") from error

    def log(self, record: LogLine) -> None:
        self._keep_output(encode_record(record) + b"\n", len(record.text))

    def touched(self, records: Sequence[Touched]) -> None:
        """Which artifacts a call read and wrote, in one write."""
        self._keep_output(lines := encode_records(records), len(lines))

    def recorded(self, record: Recorded) -> None:
        """What a call was called with."""
        self._keep_output(encode_record(record) + b"\n", len(record.arguments))

    @property
    def directory(self) -> Path:
        return self._directory

    @property
    def segment(self) -> str:
        """The name of the file that is written to; "" when the journal is closed."""
        return self._name if self._fd >= 0 else ""

    def close(self) -> None:
        self.flush_late()
        os.close(self._fd)
        self._fd = -1  # what comes later must not go into another file that has its number

    def flush_late(self) -> bool:
        """Write what a full disk held up; whether nothing is left."""
        try:
            while self._late:
                self._append(self._late[0])
                self._late.popleft()
        except OSError:
            return False
        return True

    async def _sync(self) -> None:
        while self._unsynced:
            self._syncs, self._unsynced = self._unsynced, []
            try:
                await self._sync_segment()
            except OSError as error:
                _fail(self._syncs, error)
            for waiting in self._syncs:
                if not waiting.done():
                    waiting.set_result(None)

    async def _sync_segment(self) -> None:
        fd = os.dup(self._fd)  # the segment may be full, and closed, before the disk is done
        try:
            await asyncio.to_thread(os.fdatasync, fd)
        finally:
            os.close(fd)

    def _keep_output(self, lines: bytes, size: int) -> None:
        """What calls did besides ending: of it, so much is held and no more."""
        if self._late and self._late_output > MOST_LATE_OUTPUT and not self.flush_late():
            return
        self._keep_lines(lines)
        self._late_output = self._late_output + size if self._late else 0

    def _keep(self, record: Record) -> None:
        """The call has run, so its end is kept until it can be written."""
        self._keep_lines(encode_record(record) + b"\n")

    def _keep_lines(self, line: bytes) -> None:
        if self._late and not self.flush_late():
            self._late.append(line)
            return
        try:
            self._append(line)
        except OSError as error:
            _log.error("the call journal can't be written, its records are held in memory: %s", error)
            self._late.append(line)

    def _append(self, line: bytes) -> None:
        if self._size >= SEGMENT_BYTES:
            self._begin_next()
        written = os.write(self._fd, line)
        if written != len(line):
            # A full disk takes a part of it: take that back, so that no half line stands before the next one.
            os.ftruncate(self._fd, self._size)
            raise OSError(28, "No space left on device")
        self._size += written

    def _begin_next(self) -> None:
        old = self._fd
        self._open()
        try:
            os.fdatasync(old)  # spawned calls in it may be waited for
        except OSError as error:  # which the system says once
            _fail((*self._syncs, *self._unsynced), error)
        finally:
            os.close(old)

    def _open(self) -> None:
        """Begin the next segment. It gets its name when it is locked: a segment without a lock is a dead gateway's."""
        path = self._directory / f"{self.instance}.{next(self._numbers):06d}.ndjson"
        unnamed = path.with_suffix(".new")
        fd = os.open(unnamed, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)  # the registry tries locks, for an instant
            os.rename(unnamed, path)
        except OSError:
            os.close(fd)
            raise
        self._fd, self._size, self._name = fd, 0, path.name


def _fail(waiting: Iterable[asyncio.Future[None]], error: OSError) -> None:
    for each in waiting:
        if not each.done():
            each.set_exception(error)
