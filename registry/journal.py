"""Loading the gateways' call journals: each record lands exactly once.

How far a segment was loaded is noted in the transaction that adds its records. A gateway holds a lock on its segment
for as long as it lives, so a free lock says that no more will come: the calls that it left open are INTERRUPTED.
"""

from __future__ import annotations

import fcntl
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from rayfaas.records import Record
from rayfaas.registry.database import Database, now_us
from rayfaas.registry.rows import NEVER_US, LogRow, Row, begun_us, moment
from rayfaas.registry.spending import Spending
from rayfaas.registry.statements import load
from rayfaas.registry.tally import Tally

_log = logging.getLogger("rayfaas.registry")
_SQL = load("journal.sql")
_decode = msgspec.json.Decoder(Record).decode

CHUNK_BYTES = 32 << 20
# How records of each kind are added: ends before starts, of which they leave only those that have none yet.
_ADDING = {
    "end": ("ended", "close", "forget_closed"),
    "start": ("begun",),
    "log": ("log", "numbered"),
    **{kind: (kind,) for kind in ("spawned", "settled", "told", "compared", "looked_up", "kept", "recorded")},
}
_ENDS = (".ndjson", ".new")


@dataclass(frozen=True)
class Lines:
    """Some lines of logs with their numbers. What comes next is what comes after number `after`, and some of it is
    there already if there is `more`."""

    lines: list[tuple[int, LogRow]]
    after: int
    more: bool


@dataclass(frozen=True)
class Loaded:
    """How many records one pass added."""

    rows: int


class Journal:
    """The loader, and what it loaded."""

    def __init__(self, database: Database, directory: Path, spending: Spending, tally: Tally) -> None:
        self._database, self._directory, self._spending, self._tally = database, directory, spending, tally

    def load(self) -> Loaded:
        """Add what the segments hold and the registry lacks; delete those that are done with."""
        rows = sum(self._load_segment(path) for path in sorted(self._directory.glob("*.ndjson")))
        for row in self._run("gateways"):
            if not is_alive(self._directory, row["gateway"]):
                self._interrupt(row["gateway"])
        return Loaded(rows)

    def logs(self, function: str | None, call: str | None, team: str | None, limit: int) -> list[LogRow]:
        """The newest lines, the oldest of them first; of one team's functions, or of all."""
        rows = self._newest("logs", function=function, call=call, team=team, limit=limit)
        return [_log_row(row) for row in reversed(rows)]

    def lines(self, function: str | None, call: str | None, team: str | None, after: int | None, limit: int) -> Lines:
        """The first lines after number `after`, or the newest there are, in the order in which they were loaded."""
        last = int(self._run("last_line")[0]["last"])
        wanted: dict[str, Any] = {"function": function, "call": call, "team": team, "limit": limit, "last": last}
        if after is None:
            rows = self._newest("newest_lines", **wanted)[::-1]
            return Lines([(row["number"], _log_row(row)) for row in rows], last, False)
        rows = self._run("lines_after", **wanted, after=after)
        more = len(rows) == limit
        return Lines([(row["number"], _log_row(row)) for row in rows], rows[-1]["number"] if more else last, more)

    def loaded_bytes(self, segment: str) -> int:
        found = self._run("loaded", segment=segment)
        return int(found[0]["loaded_bytes"]) if found else 0

    def _newest(self, statement: str, call: str | None, limit: int, **wanted: Any) -> list[Row]:
        """Of the table; and where that has too few of them, or what is in the archive may be newer, of both."""
        if not limit:
            return []
        asked = {**wanted, "call": call, "limit": limit}
        rows = self._run(statement, **asked, begun=NEVER_US)
        oldest = rows[-1]["at_us"] if len(rows) == limit else 0
        return self._run(statement, **asked, begun=max(oldest, begun_us(call) if call else 0))

    def _load_segment(self, path: Path) -> int:
        # Asked before reading: what a gateway that was gone by now has written is in the file.
        finished = not _is_locked(path)
        offset = self.loaded_bytes(path.name)
        rows = 0
        with path.open("rb") as file:
            # Up to its end as it is now: while calls come, it always has a few more lines, and few at a time cost most.
            end = file.seek(0, os.SEEK_END)
            file.seek(offset)
            while chunk := _whole_lines(file.read(min(CHUNK_BYTES, end - offset))):
                offset += len(chunk)
                self._add(chunk, path.name, offset)
                rows += chunk.count(b"\n")
                file.seek(offset)
        if finished:
            path.unlink()
        return rows

    def _add(self, chunk: bytes, segment: str, offset: int) -> None:
        try:
            self._add_all(chunk, segment, offset)
        except duckdb.Error as error:
            # One record that can't be loaded must not hold up all that follow it.
            good = b"".join(line for line in chunk.splitlines(keepends=True) if _is_record(line))
            if good == chunk:
                raise
            bad = chunk.count(b"\n") - good.count(b"\n")
            _log.error("%d records of %s can't be read and are left out: %s", bad, segment, error)
            self._add_all(good, segment, offset)

    def _add_all(self, chunk: bytes, segment: str, offset: int) -> None:
        self._database.staging.write_bytes(chunk)
        with self._database.transaction():
            self._run("stage", file=str(self._database.staging))
            kinds = {row["k"] for row in self._run("kinds")}
            for kind, statements in _ADDING.items():
                for statement in statements if kind in kinds else ():
                    self._run(statement)
            if "touched" in kinds:
                self._add_touches()
            self._spending.forget_late()
            self._run("set_loaded", segment=segment, loaded=offset)
            counted = self._tally.look() if "end" in kinds else []
        self._tally.add(counted)

    def _add_touches(self) -> None:
        (touching,) = self._run("touching")
        self._run("touched", first=touching["first"], last=touching["last"])

    def _interrupt(self, gateway: str) -> None:
        """The gateway is gone; its last words are loaded first."""
        for path in sorted(self._directory.glob(f"{gateway}.*.ndjson")):
            self._load_segment(path)
        with self._database.transaction():
            self._run("interrupt", gateway=gateway)
            self._run("close")
            self._run("forget_interrupted", gateway=gateway)
            counted = self._tally.look()
        self._tally.add(counted)

    def _run(self, statement: str, **parameters: Any) -> list[Row]:
        return self._database.run(_SQL[statement], {"now": now_us(), **parameters})


def _log_row(row: Row) -> LogRow:
    at = moment(row["at_us"])
    return LogRow(row["call"], row["function"], row["version"], at, row["stream"], row["text"], row["level"])


def is_alive(directory: Path, gateway: str) -> bool:
    """Whether this life of a gateway goes on: one of its segments is locked.

    A gateway locks its next segment before it lets go of the last one, so a list of segments that was made before the
    locks were tried holds only if no segment has come since.
    """
    while True:
        segments = _segments(directory, gateway)
        if any(_is_locked(path) for path in segments):
            return True
        if set(_segments(directory, gateway)) <= set(segments):
            return False


def _segments(directory: Path, gateway: str) -> list[Path]:
    return [path for path in directory.glob(f"{gateway}.*") if path.suffix in _ENDS]


def _is_locked(path: Path) -> bool:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False  # it got its name meanwhile, which the next list shows
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def _whole_lines(data: bytes) -> bytes:
    return data[: data.rfind(b"\n") + 1]


def _is_record(line: bytes) -> bool:
    try:
        _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True
