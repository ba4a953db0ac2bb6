"""The archive's days become months: a question that needs all of the archive opens a file for each, not thirty.

A month's file is written beside its days, and counts in their place from the one transaction on that says so. Of a file
of which a part is too old the rest is written anew, by the same steps.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import Any

from rayfaas.registry.archive import DAY_US, TIMES, Archive, Partition
from rayfaas.registry.database import Database, now_us
from rayfaas.registry.rows import Row, moment
from rayfaas.registry.statements import load
from rayfaas.registry.stored_views import literal, place

_SQL = load("months.sql")
# Files of a month that have more together are no small ones.
MOST_BYTES = 1 << 30
# Of the disk, in bytes: fewer files are not worth a journal that can't be written.
LEAST_FREE = 2 << 30


@dataclass(frozen=True)
class Month:
    """Files that are to be one, of what is not older than `from_us`. `rows` is None where nobody knows how many those
    are."""

    kind: str
    files: list[str]
    from_us: int
    until_us: int
    rows: int | None
    bytes: int


class Months:
    """`write` may take long and wait for a store, and runs beside whoever writes the registry; all else is done by that
    one thread."""

    def __init__(self, database: Database, archive: Archive) -> None:
        self._database, self._archive = database, archive

    def next(self, kind: str, before_us: int, deleted_us: int | None) -> Month | None:
        """What is to be done: of months that ended before then, and of files with days that ended before `deleted_us`.
        None where that is nothing, or the disk is nearly full."""
        before_us = before_us // DAY_US * DAY_US
        rows = self._run("several", kind=kind, before=before_us, most=MOST_BYTES)
        if deleted_us is not None:
            rows = [*self._run("begun", kind=kind, deleted=deleted_us // DAY_US * DAY_US), *rows]
        if not rows or shutil.disk_usage(self._database.archive).free < LEAST_FREE + 2 * rows[0]["bytes"]:
            return None
        return Month(kind, **rows[0])

    def write(self, month: Month) -> Partition:
        """Write its file. Raises `Unavailable` where a store has a part of it and is away, `OSError` or `duckdb.Error`
        where the disk is full; then nothing is left."""
        files = ", ".join(literal(place(file, self._database.archive)) for file in month.files)
        copy = _SQL["write"].format(files=files, time=TIMES[month.kind], from_us=month.from_us, file="{file}")
        written = self._archive.save(month.kind, f"{moment(month.from_us):%Y-%m}", copy)
        return Partition(month.kind, written.file, month.from_us, month.until_us, written.rows, written.bytes)

    def settle(self, month: Month, partition: Partition) -> bool:
        """Have the one file count, and the others not. False where one of those was deleted meanwhile, or it has not
        the rows that they had.

        They stay on disk until the next `Archive.sweep`, and in a store as leftovers: who reads them now may end it.
        """
        with self._database.transaction():
            (noted,) = self._run("noted", files=month.files)
            if noted["files"] == len(month.files) and month.rows in (None, partition.rows):
                self._run("leave", files=month.files)
                self._run("drop", files=month.files)
                self._archive.note(partition)
                return True
        self._archive.discard(partition)
        return False

    def _run(self, statement: str, **parameters: Any) -> list[Row]:
        return self._database.run(_SQL[statement], {"now": now_us(), **parameters})
