"""What calls cost, of stretches of time that are over: worked out once, so that a question need not.

A stretch counts for as long as the machines of that time are known as they were then, and no call is loaded that ran in
it. All else is worked out when somebody asks, by the same SQL.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from rayfaas.names import new_id
from rayfaas.registry.database import Database
from rayfaas.registry.rows import Row
from rayfaas.registry.statements import load
from rayfaas.registry.stored_views import literal

SQL = load("spending.sql")
STRETCH_US = 600_000_000
# No call runs longer than the longest timeout, and the grace after it, and none waits longer.
_LONGEST_US = 8 * 86_400_000_000
# As clocks of machines differ.
_SLACK_US = 86_400_000_000
# Calls of a stretch that has more of them are shared out when somebody asks: the memory that it takes is for questions.
MOST_CALLS = 2_000_000
_AT_ONCE = 100


@dataclass(frozen=True)
class Worked:
    """What calls cost in a stretch is in a file, and counts when it is `settled`."""

    from_us: int
    stays: int
    file: Path


class Spending:
    """`unsettled`, `work_out` and `begun_us` may take long and wait for the archive: they run beside whoever writes the
    registry. All else is done by that one thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._under_way: set[int] = set()

    def unsettled(self, before_us: int, but: Collection[int] = ()) -> list[int]:
        """Where stretches begin that ended before then and are to be settled, `but` those: some, the oldest."""
        rows = self._run("unsettled", before=before_us, but=list(but), limit=_AT_ONCE, up=_up("stretches"))
        return [int(row["from_us"]) for row in rows]

    def begin(self, from_us: int) -> None:
        """From now on it is noticed where a call is loaded that ran in it."""
        self._under_way.add(from_us)

    def work_out(self, from_us: int) -> Worked | None:
        """What each call cost in it. None where too many calls ran.

        Raises `Unavailable` where calls are in a part of the archive that can't be read, and `OSError` or
        `duckdb.Error` where the disk is full; then nothing is left."""
        span = (from_us, from_us + STRETCH_US)
        (size,) = self._run("size", accepted=accepted(from_us), ran=_ran(*span))
        if size["calls"] > MOST_CALLS:
            return None
        (up,) = self._database.run(_up(f"(SELECT {from_us} AS from_us)"))
        directory = self._database.outgoing
        directory.mkdir(mode=0o700, exist_ok=True)
        file = directory / f"spent-{new_id()}.parquet"
        try:
            self._run("write", from_us=from_us, paid=_paid(*span), file=literal(file))
        except BaseException:
            file.unlink(missing_ok=True)
            raise
        return Worked(from_us, int(up["stays"]), file)

    def settle(self, worked: Worked) -> bool:
        """Have it count. False where a call was loaded meanwhile that ran in it: then it does not."""
        try:
            if worked.from_us not in self._under_way:
                return False
            with self._database.transaction():
                self._run("forget", from_us=worked.from_us)
                self._run("forget_stretch", from_us=worked.from_us)
                self._run("settle", file=str(worked.file))
                self._run("settled", from_us=worked.from_us, stays=worked.stays)
            return True
        finally:
            self._under_way.discard(worked.from_us)
            worked.file.unlink(missing_ok=True)

    def forget_late(self) -> None:
        """Have the stretches not count in which calls ran that were loaded just now, in the transaction under way."""
        (loaded,) = self._run("loaded")
        if loaded["first_us"] is None:
            return
        span = {"first_us": loaded["first_us"], "last_us": loaded["last_us"]}
        late = [each for each in self._under_way if span["first_us"] - STRETCH_US < each < span["last_us"]]
        self._under_way.difference_update(late)
        if loaded["is_late"]:
            self._run("forget_late", **span)
            self._run("forget_late_stretches", **span)

    def begun_us(self, since: int) -> int:
        """Since when calls were accepted that may cost something since then, or later."""
        (row,) = self._run("begun", since=since, accepted=accepted(since), slack=_SLACK_US)
        return int(row["begun_us"])

    def forget_deleted(self, before_us: int) -> None:
        """Calls that are older were deleted."""
        self._run("forget_deleted", before=before_us)

    def _run(self, statement: str, **parameters: Any) -> list[Row]:
        return self._database.run(SQL[statement].format(stretch=STRETCH_US, **parameters), parameters)


def accepted(since: int) -> int:
    """No call that ran then, or later, was accepted before."""
    return since - 2 * _LONGEST_US


def prepare(connection: duckdb.DuckDBPyConnection, since: int, until: int) -> str:
    """Make what the view `costs` of that time reads: what is not settled, worked out. Returns which rows of `spent`
    count besides, as SQL."""
    text = SQL["runs"].format(up=_up("stretches"), since=since, until=until, stretch=STRETCH_US)
    runs = connection.execute(text).fetchall()
    connection.execute(SQL["swept"].format(paid=_paid(until, until)))
    for began, ended in zip((since, *(end for _, end in runs)), (*(begin for begin, _ in runs), until), strict=True):
        if began < ended:
            connection.execute(SQL["sweep_more"].format(paid=_paid(began, ended)))
    return " OR ".join(f"(from_us >= {begin} AND from_us < {end})" for begin, end in runs) or "false"


def _paid(since: int, until: int) -> str:
    """SQL that works out what calls cost in that time."""
    parts = {"since": since, "until": until, "accepted": accepted(since), "ran": _ran(since, until)}
    return SQL["paid"].format(sweep=SQL["sweep"].format(**parts), **parts)


def _ran(since: int, until: int) -> str:
    return SQL["ran"].format(since=since, until=until, slack=_SLACK_US)


def _up(stretches: str) -> str:
    return SQL["up"].format(stretches=stretches, stretch=STRETCH_US)
