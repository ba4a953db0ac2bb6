"""SQL from users: one SELECT, on the views of `views.sql`, as the asker's team sees them, within limits.

Four things stand between a query and what it must not reach: its syntax tree may name no table, schema or table
function but those allowed here; it runs in a transaction that is read-only; the instance can't open files or the
network; and it has time, memory and row limits.
"""

from __future__ import annotations

import json
import math
import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import duckdb

from rayfaas.errors import QueryError
from rayfaas.registry.database import Database
from rayfaas.registry.statements import load

VIEWS = load("views.sql")

_NODES = {"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"}
_TABLE_FUNCTIONS = {"range", "generate_series", "unnest"}
_FORBIDDEN_FUNCTIONS = {"getenv", "current_setting", "getvariable", "nextval", "currval", "write_log"}


@dataclass(frozen=True)
class QueryLimits:
    """Rows of an answer, and seconds that a query may take."""

    rows: int = 10_000
    seconds: float = 30.0


@dataclass(frozen=True)
class QueryResult:
    """`columns` are (name, SQL type); `truncated` says that there were more rows than the limit."""

    columns: list[tuple[str, str]]
    rows: list[list[Any]]
    truncated: bool


class Queries:
    """Answers users' SQL; may be asked from several threads at once."""

    def __init__(self, database: Database, limits: QueryLimits) -> None:
        self._database, self._limits = database, limits

    def query(self, sql: str, parameters: Sequence[Any], team: str | None) -> QueryResult:
        """Raises `QueryError`. `team` None sees all teams' calls."""
        cursor = self._database.cursor()
        timer = threading.Timer(self._limits.seconds, cursor.interrupt)
        try:
            for name in self._views_in(cursor, sql):
                cursor.execute(f"CREATE TEMP VIEW {name} AS {VIEWS[name].format(team=_literal(team))}")
            cursor.execute("BEGIN TRANSACTION READ ONLY")
            timer.start()
            return self._answer(cursor.execute(sql, list(parameters)))
        except duckdb.InterruptException:
            raise QueryError(f"The query was ended after {self._limits.seconds:g} s, which is the limit.") from None
        except duckdb.OutOfMemoryException:
            raise QueryError("The query needs more memory than the limit; aggregate more or ask for less.") from None
        except duckdb.Error as error:
            raise QueryError(_without_schema(str(error))) from None
        finally:
            timer.cancel()
            cursor.close()

    def _answer(self, cursor: duckdb.DuckDBPyConnection) -> QueryResult:
        columns = [(str(name), str(kind)) for name, kind, *_ in cursor.description or ()]
        rows = cursor.fetchmany(self._limits.rows + 1)
        kept = [[_plain(value) for value in row] for row in rows[: self._limits.rows]]
        return QueryResult(columns, kept, len(rows) > self._limits.rows)

    def _views_in(self, cursor: duckdb.DuckDBPyConnection, sql: str) -> list[str]:
        """The views that a query may name, or all where it asks for their columns. Raises `QueryError`."""
        answer = cursor.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchone()
        assert answer is not None  # a SELECT without FROM has one row
        tree: dict[str, Any] = json.loads(answer[0])
        if tree["error"]:
            raise QueryError(f"Only one SELECT can be asked: {tree['error_message']}")
        if len(tree["statements"]) != 1:
            raise QueryError("One SELECT at a time, please.")
        names = set(VIEWS) | {entry["key"].lower() for node in _walk(tree) for entry in _ctes(node)}
        for node in _walk(tree):
            _check_node(node, names)
        named = {str(node["table_name"]).lower() for node in _walk(tree) if node.get("type") == "BASE_TABLE"}
        return [name for name in VIEWS if name in named or "view_columns" in named]


def _check_node(node: dict[str, Any], names: set[str]) -> None:
    kind = str(node.get("type"))
    path = (node.get("qualified_name") or {}).get("path") or []
    if "cte_map" in node and kind not in _NODES:
        raise QueryError("Only SELECT can be asked; the registry is not changed by SQL.")
    if kind == "BASE_TABLE":
        name = str(node["table_name"])
        qualified = len(path) > 1 or node.get("schema_name") or node.get("catalog_name")
        if qualified or name.lower() not in names:
            whole = ".".join(path) or name
            raise QueryError(f"There is no table {whole}. There are: {', '.join(VIEWS)}.")
    elif kind == "TABLE_FUNCTION":
        name = _function_name(node["function"])
        if name not in _TABLE_FUNCTIONS:
            raise QueryError(f"The table function {name} is not for queries of users.")
    elif kind == "SHOW_REF" and not node.get("query"):
        raise QueryError(f"Ask `DESCRIBE <table>`. There are the tables {', '.join(VIEWS)}.")
    elif kind == "FUNCTION" and (name := _function_name(node)) in _FORBIDDEN_FUNCTIONS:
        raise QueryError(f"The function {name} is not for queries of users.")


def _function_name(node: dict[str, Any]) -> str:
    return str(node.get("function_name", "")).lower()


def _ctes(node: dict[str, Any]) -> list[dict[str, Any]]:
    found = (node.get("cte_map") or {}).get("map") or []
    return [entry for entry in found if isinstance(entry, dict)]


def _walk(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for child in value.values():
            yield from _walk(child)
    elif isinstance(value, list):
        for child in value:
            yield from _walk(child)


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


def _without_schema(message: str) -> str:
    """DuckDB's own words, without a guess that names tables which are not for users."""
    return re.sub(r"\n?Did you mean \"(?:store|temp)\.[^\n]*", "", message).strip()
