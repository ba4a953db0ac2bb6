"""What would take the server's time, memory or disk is refused before it runs, or ended at its limits."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from rayfaas.errors import QueryError
from rayfaas.registry.ceiling import Ceiling
from rayfaas.registry.database import Database
from rayfaas.registry.query import Queries, QueryLimits
from rayfaas.registry.sandbox import MOST_TEXT
from tests.registry.test_query import Ask, ask, registry

__all__ = ["ask", "registry"]

_TEXT = (Path(__file__).parent / "bombs.sql").read_text()
BOMBS = [
    (sql, said.partition(": ")[2])
    for said, *queries in (part.splitlines() for part in re.split(r"^-- (?=refused|ended)", _TEXT, flags=re.M)[1:])
    for sql in queries
    if sql
]
SECONDS = 0.5


@pytest.mark.parametrize(("sql", "said"), BOMBS, ids=lambda text: text[:60])
def test_a_bomb_does_no_harm(
    ask: Ask, opened_database: Database, monkeypatch: pytest.MonkeyPatch, sql: str, said: str
) -> None:
    if said.startswith("needs more memory"):  # what takes all there is takes long
        monkeypatch.setattr(opened_database, "ceiling", Ceiling(room_bytes=512 << 20))
    began = time.monotonic()
    with pytest.raises(QueryError, match=said):
        ask(sql, seconds=SECONDS)
    assert time.monotonic() - began < 20  # not for ever, that is: the machine may be busy
    assert ask("SELECT 1").rows == [[1]]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT " + ",".join(["1"] * MOST_TEXT),
        "SELECT 1 WHERE " + " AND ".join(["1=1"] * MOST_TEXT),
        "SELECT " + "a." * MOST_TEXT + "b",
        "SELECT " + "x" * MOST_TEXT,
    ],
    ids=["columns", "conditions", "path", "name"],
)
def test_a_long_text_is_not_even_parsed(ask: Ask, sql: str) -> None:
    with pytest.raises(QueryError, match="Send long values as parameters"):
        ask(sql)
    assert ask("SELECT length(?)", "x" * 10 * MOST_TEXT).rows == [[10 * MOST_TEXT]]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT " + "(" * 3000 + "1" + ")" * 3000,
        "SELECT " + "NOT " * 2000 + "true",
        "SELECT * FROM " + "(SELECT * FROM " * 400 + "calls" + ")" * 400,
        "SELECT " + "[" * 2000 + "]" * 2000,
    ],
    ids=["parentheses", "not", "subqueries", "lists"],
)
def test_deep_nesting_is_refused(ask: Ask, sql: str) -> None:
    with pytest.raises(QueryError):
        ask(sql)
    assert ask("SELECT 1").rows == [[1]]


def test_a_query_reads_so_many_tables_at_most(ask: Ask) -> None:
    assert ask("SELECT count(*) FROM " + ", ".join(f"range(1) c{i}" for i in range(30))).rows == [[1]]
    with pytest.raises(QueryError, match="reads 41 tables"):
        ask("SELECT count(*) FROM " + ", ".join(f"calls c{i}" for i in range(41)))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM calls JOIN logs USING (call) JOIN spawned USING (call) LIMIT 1",
        "SELECT *, * FROM calls LIMIT 1",
        "WITH a AS (SELECT * FROM calls) SELECT * FROM a x JOIN a y ON x.call = y.parent LIMIT 1",
        "SELECT COLUMNS('.*_ms') FROM calls LIMIT 1",
        "FROM (PIVOT calls ON state IN ('FAILED') USING count(*)) LIMIT 1",
        "SELECT [x || '!' FOR x IN [target]] FROM calls LIMIT 1",
    ],
)
def test_what_people_ask_is_answered(ask: Ask, sql: str) -> None:
    assert len(ask(sql).rows) <= 1


def test_an_answer_of_many_large_rows_is_refused_as_it_grows(ask: Ask) -> None:
    with pytest.raises(QueryError, match="over 16 MiB"):
        ask("SELECT * FROM range(10000), (SELECT string_agg(x::VARCHAR, ',') FROM range(20000) t(x))")


def test_limits_of_an_answer_are_those_that_are_set(opened_database: object) -> None:
    queries = Queries(opened_database, QueryLimits(bytes=1 << 20))  # type: ignore[arg-type]
    assert queries.query("SELECT string_agg(x::VARCHAR, ',') FROM range(100000) t(x)", [], "red").rows
    with pytest.raises(QueryError, match="over 1 MiB"):
        queries.query("SELECT string_agg(x::VARCHAR, ',') FROM range(200000) t(x)", [], "red")
