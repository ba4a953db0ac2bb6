"""Old rows move to Parquet files, a day in each, which the same views go on reading; in the end they are deleted.

A file is written under another name, is on disk before it gets its own, and counts from the transaction on that notes
it and deletes its rows from the table: whatever ends the process, and when, a row is in one of both. Files that nothing
notes are left over from such an end, and are removed by the next pass.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from rayfaas.names import new_id
from rayfaas.registry.database import Database, now_us
from rayfaas.registry.rows import Row, moment
from rayfaas.registry.statements import load
from rayfaas.registry.stored_views import ARCHIVED, literal

_log = logging.getLogger("rayfaas.registry")
_SQL = load("archive.sql")
TIMES = {"calls": "accepted_us", "logs": "at_us", "touches": "at_us"}
"""The column of each kind that says which day a row is of."""
DAY_US = 86_400_000_000


@dataclass(frozen=True)
class Partition:
    """A file that is written, and counts when it is `settled`."""

    kind: str
    file: str
    from_us: int
    until_us: int
    rows: int
    bytes: int


class Saved(NamedTuple):
    """A file that is on disk."""

    file: str
    rows: int
    bytes: int


class Archive:
    """`write` may take long, and runs beside whoever writes the registry; all else is done by that one thread."""

    def __init__(self, database: Database) -> None:
        self._database, self._directory = database, database.archive

    def day_to_move(self, kind: str, before_us: int) -> int | None:
        """The start of the oldest day that ended before then and has rows in the table; None: all are moved."""
        (row,) = self._run("oldest", kind)
        oldest = row["oldest_us"]
        if oldest is None or oldest // DAY_US >= before_us // DAY_US:
            return None
        return int(oldest // DAY_US * DAY_US)

    def write(self, kind: str, from_us: int) -> Partition:
        """Write the file of a day. Raises `OSError` or `duckdb.Error` where the disk is full; then nothing is left."""
        until_us = from_us + DAY_US
        copy = _SQL["write"].format(kind=kind, time=TIMES[kind], from_us=from_us, until_us=until_us, file="{file}")
        saved = self.save(kind, f"{moment(from_us):%Y-%m-%d}", copy)
        return Partition(kind, saved.file, from_us, until_us, saved.rows, saved.bytes)

    def save(self, kind: str, name: str, copy: str) -> Saved:
        """Write a file by the statement `copy`, of `{file}`; it is on disk and does not count. Raises as `write`."""
        file = f"{kind}/{name}-{new_id()}.parquet"
        path = self._directory / file
        scratch = path.with_suffix(".new")
        scratch.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            rows = self._database.run(copy.format(file=literal(scratch)))
            size = _on_disk(scratch)
            scratch.rename(path)
            _sync_directory(path.parent)
        except BaseException:
            scratch.unlink(missing_ok=True)
            raise
        return Saved(file, int(rows[0]["Count"]), size)

    def settle(self, partition: Partition) -> bool:
        """Have the file count and its rows gone from the table. False where rows have come for that day since it was
        written: it does not count, and is to be written again."""
        span = {"from_us": partition.from_us, "until_us": partition.until_us}
        with self._database.transaction():
            (found,) = self._run("count", partition.kind, **span)
            if found["rows"] == partition.rows:
                self._run("move", partition.kind, **span)
                self.note(partition)
                return True
        self.discard(partition)
        return False

    def note(self, partition: Partition) -> None:
        """Have the file count, from the end of the transaction under way."""
        self._run(
            "add",
            partition.kind,
            file=partition.file,
            from_us=partition.from_us,
            until_us=partition.until_us,
            rows=partition.rows,
            bytes=partition.bytes,
        )
        self._database.read_archive(partition.kind)

    def discard(self, partition: Partition) -> None:
        """It does not count."""
        (self._directory / partition.file).unlink(missing_ok=True)

    def delete(self, kind: str, before_us: int) -> int:
        """Delete what is older, wherever it is; of files, those of which all is older. How many files that were.

        They stay on disk until the next `sweep`, and in a store as leftovers: who reads them now may end it.
        """
        with self._database.transaction():
            self._run("delete", kind, before=before_us)
            dropped = self._run("over", kind, before=before_us)
            if dropped:
                self._run("leave", kind, before=before_us)
                self._run("drop", kind, before=before_us)
                self._database.read_archive(kind)
        return len(dropped)

    def sweep(self) -> None:
        """Remove the files of the local folder that nothing notes."""
        noted = {row["file"] for row in self._run("all_files", "calls")}
        for path in self._directory.glob("*/*"):
            if str(path.relative_to(self._directory)) not in noted:
                _log.info("%s is not needed any more", path.name)
                path.unlink(missing_ok=True)

    def _run(self, statement: str, kind: str, **parameters: Any) -> list[Row]:
        assert kind in ARCHIVED  # it is part of the statement
        text = _SQL[statement].format(kind=kind, time=TIMES[kind], **parameters)
        return self._database.run(text, {"now": now_us(), "kind": kind, **parameters})


def _on_disk(path: Path) -> int:
    """Returns when it is; its bytes."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        return os.fstat(file.fileno()).st_size


def _sync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
