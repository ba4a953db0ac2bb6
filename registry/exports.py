"""Views as Parquet files, as a team sees them: for what is asked later and elsewhere, without the limits of answers."""

from __future__ import annotations

import shutil
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple

from rayfaas.errors import BadRequest, NotFound, Unavailable
from rayfaas.names import new_id
from rayfaas.registry.database import Database, now_us
from rayfaas.registry.query import VIEWS, Queries, QueryLimits, Window
from rayfaas.registry.statements import load
from rayfaas.registry.stored_views import literal

_SQL = load("exports.sql")
DAILY = {"calls": "accepted_at", "logs": "logged_at", "lineage": "touched_at"}
"""The views that are exported a day at a time, with the column that says which day a row is of."""
SECONDS = 600.0
# Of the disk, in bytes: what is exported is not worth a journal that can't be written.
LEAST_FREE = 2 << 30


class Exported(NamedTuple):
    """Whoever asked takes the file away."""

    file: Path
    rows: int


class Exports:
    """May be asked from several threads at once; writes beside whoever writes the registry."""

    def __init__(self, database: Database) -> None:
        self._directory = database.outgoing
        self._queries = Queries(database, QueryLimits(seconds=SECONDS))

    def export(self, view: str, day: date | None, team: str | None) -> Exported:
        """A file of a view, or of what is in it of a day. Raises `NotFound`, `BadRequest`, `QueryError`, and
        `Unavailable` where the disk is nearly full."""
        if view not in VIEWS:
            raise NotFound(f"There is no view {view}. There are: {', '.join(VIEWS)}.")
        if (day is None) == (view in DAILY):
            raise BadRequest(f"{view} is exported {'a day at a time: ?day=2026-11-27' if view in DAILY else 'whole'}.")
        self._directory.mkdir(mode=0o700, exist_ok=True)
        if shutil.disk_usage(self._directory).free < LEAST_FREE:
            raise Unavailable("The server's disk is nearly full, so nothing is exported now. Make room on it.")
        file = self._directory / f"export-{new_id()}.parquet"
        try:
            return Exported(file, self._queries.save(_query(view, day), team, _SQL["write"], file, _window(day)))
        except BaseException:  # an interrupt too: half a file is nobody's
            file.unlink(missing_ok=True)
            raise


def _window(day: date | None) -> Window | None:
    if day is None:
        return None
    began = datetime.combine(day, datetime.min.time(), timezone.utc)
    return Window(0, now_us(), int(began.timestamp()) * 1_000_000)


def _query(view: str, day: date | None) -> str:
    if day is None:
        return _SQL["whole"].format(view=view)
    span = {"since": literal(day.isoformat()), "until": literal((day + timedelta(days=1)).isoformat())}
    return _SQL["day"].format(view=view, time=DAILY[view], **span)
