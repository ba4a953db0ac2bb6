"""SQL from users: one SELECT, on the views of `views.sql`, as the asker's team sees them, within limits.

Four things stand between a query and what it must not reach: its syntax tree may name no table, schema or table
function but those allowed here; it runs in a transaction that is read-only; the instance can't open files or the
network; and it has time, memory and row limits.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from rayfaas.errors import QueryError, RayfaasError, Unavailable
from rayfaas.registry.archive_files import unreadable
from rayfaas.registry.cells import execute
from rayfaas.registry.database import Database, now_us
from rayfaas.registry.deadline import Deadline
from rayfaas.registry.encodings import Encoded, as_arrow, as_csv, as_ndjson, as_parquet
from rayfaas.registry.sandbox import check_parameters, check_text, check_tree, parse_tree
from rayfaas.registry.spending import prepare
from rayfaas.registry.statements import load

VIEWS = load("views.sql")
_GRANTS = load("grants.sql")
_MOST_LOGGED = 500
_TOO_MUCH = "The query needs more memory than the limit; aggregate more or ask for less."
_TOO_MUCH_TOGETHER = (
    "There was no memory for the query beside others that ran at the same time. Ask again in a moment; if that does "
    "not help, aggregate more or ask for less."
)
_RETRY_S = 5
_PLAIN = {"csv": as_csv, "ndjson": as_ndjson}
_TYPED = {"arrow": as_arrow, "parquet": as_parquet}


@dataclass(frozen=True)
class QueryLimits:
    """Rows and bytes of an answer, and seconds that a query may take."""

    rows: int = 10_000
    bytes: int = 16 << 20
    seconds: float = 30.0


@dataclass(frozen=True)
class QueryResult:
    """`columns` are (name, SQL type); `truncated` says that there were more rows than the limit."""

    columns: list[tuple[str, str]]
    rows: list[list[Any]]
    truncated: bool


class Window(NamedTuple):
    """From when to when costs are counted, in microseconds of Unix time; and since when calls are read at all, for who
    asks of no older ones: those that were stored before then are not looked at."""

    since_us: int
    until_us: int
    begun_us: int = 0


class Queries:
    """Answers users' SQL; may be asked from several threads at once."""

    def __init__(self, database: Database, limits: QueryLimits) -> None:
        self._database, self._limits = database, limits

    def query(self, sql: str, parameters: Sequence[Any], team: str | None, window: Window | None = None) -> QueryResult:
        """Raises `QueryError`, and `Unavailable` where it needs a part of the archive that can't be read, or memory
        that others have. `team` None sees all teams' calls. Without a `window` costs are those since ever."""
        check_parameters(parameters)
        with self._asking(sql, team, window) as cursor:
            return self._answer(execute(cursor, sql, parameters))

    def encoded(self, sql: str, parameters: Sequence[Any], team: str | None, encoding: str) -> Encoded:
        """The same answer as bytes: `csv`, `ndjson`, `arrow` or `parquet`. Raises `QueryError` and `NotAcceptable`."""
        check_parameters(parameters)
        with self._asking(sql, team) as cursor:
            if encoding in _TYPED:
                found = cursor.sql(sql, params=list(parameters))
                return _TYPED[encoding](found, self._limits.rows, self._limits.bytes)
            answer = self._answer(execute(cursor, sql, parameters))
        return Encoded(_PLAIN[encoding]([name for name, _ in answer.columns], answer.rows), answer.truncated)

    def save(self, sql: str, team: str | None, copy: str, file: Path, window: Window | None = None) -> int:
        """Write an answer of any length into a file by the statement `copy`, of `{query}` and `{file}`. Its rows."""
        with self._asking(sql, team, window) as cursor:
            row = cursor.execute(copy.format(query=sql, file=_literal(str(file)))).fetchone()
            assert row is not None  # how many were written
            return int(row[0])

    @contextmanager
    def _asking(self, sql: str, team: str | None, window: Window | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor that sees what the team sees, changes nothing, and is interrupted when its time is over."""
        cursor = self._database.cursor()
        ceiling = self._database.ceiling
        deadline = Deadline(cursor, self._limits.seconds, partial(self._give_up, sql, team), look=ceiling.look)
        deadline.start()
        try:
            with ceiling.held():
                self._see(cursor, sql, team, window or Window(0, now_us()))
                yield cursor
        except duckdb.InterruptException:
            if deadline.took_memory:
                raise self._too_much() from None
            raise QueryError(f"The query was ended after {self._limits.seconds:g} s, which is the limit.") from None
        except (duckdb.OutOfMemoryException, MemoryError):
            raise self._too_much() from None
        except (duckdb.InternalException, duckdb.FatalException) as error:
            self._database.check_alive()
            raise QueryError(f"The query failed within DuckDB: {str(error).splitlines()[0]}") from None
        except duckdb.Error as error:
            if (away := unreadable(error)) is not None:
                raise away from None
            raise QueryError(_without_schema(str(error))) from None
        finally:
            deadline.end()
            cursor.close()

    def _see(self, cursor: duckdb.DuckDBPyConnection, sql: str, team: str | None, window: Window) -> None:
        """Begin a transaction, with the views in it that the query names."""
        since, until, begun = window
        seen = {"team": _literal(team), "hidden": self._hidden(team), "begun": begun, "since": since}
        named = self._views_in(cursor, sql)
        cursor.execute("BEGIN TRANSACTION READ ONLY")
        asks = {"costs", "view_columns"} & named
        settled = prepare(cursor, since if "costs" in named else until, until) if asks else ""
        for name in VIEWS if "view_columns" in named else named:
            text = VIEWS[name].format(**seen, until=until, settled=settled)
            cursor.execute(f"CREATE TEMP VIEW {name} AS {text}")

    def _too_much(self) -> RayfaasError:
        """What is told when the query is over."""
        if self._database.ceiling.is_held:
            return Unavailable(_TOO_MUCH_TOGETHER, retry_after_s=_RETRY_S)
        return QueryError(_TOO_MUCH)

    def _give_up(self, sql: str, team: str | None, why: str) -> None:
        self._database.broken(
            f"a query of {'an admin' if team is None else f'team {team}'} can't be ended: {why}: {sql}"
        )

    def _answer(self, cursor: duckdb.DuckDBPyConnection) -> QueryResult:
        columns = [(str(name), str(kind)) for name, kind, *_ in cursor.description or ()]
        kept: list[list[Any]] = []
        size = 0
        while (row := cursor.fetchone()) is not None:
            if len(kept) == self._limits.rows:
                return QueryResult(columns, kept, True)
            kept.append([_plain(value) for value in row])
            size += sum(map(_size, kept[-1]))
            if size > self._limits.bytes:
                raise QueryError(f"The answer has over {self._limits.bytes >> 20} MiB, the limit; aggregate more.")
        return QueryResult(columns, kept, False)

    def _hidden(self, team: str | None) -> str:
        """The functions that a team may not see, as a list in SQL; it is never empty."""
        rows = self._database.run(_GRANTS["hidden"], {"viewer": team}) if team is not None else []
        return ", ".join(_literal(name) for name in ("", *(str(row["function"]) for row in rows)))

    def _views_in(self, cursor: duckdb.DuckDBPyConnection, sql: str) -> set[str]:
        """The views that a query names. Raises `QueryError`."""
        check_text(sql)
        answer = cursor.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchone()
        assert answer is not None  # a SELECT without FROM has one row
        return check_tree(parse_tree(answer[0]), VIEWS) & VIEWS.keys()


def _literal(team: str | None) -> str:
    return "NULL::VARCHAR" if team is None else "'" + team.replace("'", "''") + "'"


def _plain(value: Any) -> Any:
    """A value as JSON can carry it: times in UTC, numbers as numbers, what is left as text."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value if -(1 << 63) <= value < 1 << 64 else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=timezone.utc)).isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return str(value)


def _size(value: Any) -> int:
    """Of a plain value, in bytes, about."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(len(key) + _size(each) for key, each in value.items())
    return sum(map(_size, value)) if isinstance(value, list) else 8


def _without_schema(message: str) -> str:
    """DuckDB's own words, without a guess that names tables which are not for users."""
    return re.sub(r"\n?Did you mean \"(?:store|temp)\.[^\n]*", "", message).strip()
