"""An answer is the same in every encoding, with SQL's types where the encoding has types, and within limits."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import duckdb
import pyarrow
import pytest
from pyarrow import parquet

from rayfaas.errors import NotAcceptable, QueryError
from rayfaas.registry.database import Database
from rayfaas.registry.encodings import Encoded
from rayfaas.registry.query import Queries, QueryLimits
from rayfaas.wire import optional

QUERY = """
SELECT 1::INTEGER AS number, 'a,"b' AS text, [1, 2] AS list, TIMESTAMP '2026-11-27 10:00:00' AS time,
       1.5::DECIMAL(4, 1) AS exact, NULL::VARCHAR AS nothing, '00000000-0000-7000-8000-000000000001'::UUID AS id
"""


def ask(database: Database, encoding: str, sql: str = QUERY, **limits: Any) -> Encoded:
    return Queries(database, QueryLimits(**limits)).encoded(sql, [], "red", encoding)


def table_of(encoded: Encoded, encoding: str) -> Any:
    if encoding == "parquet":
        return parquet.read_table(io.BytesIO(encoded.body))
    return pyarrow.ipc.open_stream(encoded.body).read_all()


def test_csv_has_names_and_texts(database: Database) -> None:
    rows = list(csv.reader(io.StringIO(ask(database, "csv").body.decode())))
    assert rows == [
        ["number", "text", "list", "time", "exact", "nothing", "id"],
        ["1", 'a,"b', "[1,2]", "2026-11-27T10:00:00+00:00", "1.5", "", "00000000-0000-7000-8000-000000000001"],
    ]


def test_a_line_of_ndjson_is_a_row(database: Database) -> None:
    answer = ask(database, "ndjson", "SELECT range AS n, [range] AS l FROM range(3)")
    assert [json.loads(line) for line in answer.body.splitlines()] == [{"n": n, "l": [n]} for n in range(3)]
    assert not answer.truncated


@pytest.mark.parametrize("encoding", ["arrow", "parquet"])
def test_types_are_those_of_sql(database: Database, encoding: str) -> None:
    table = table_of(ask(database, encoding), encoding)
    assert str(table.schema.field("number").type) == "int32"
    assert str(table.schema.field("exact").type) == "decimal128(4, 1)"
    assert str(table.schema.field("time").type) == "timestamp[us]"
    assert table.to_pylist()[0]["list"] == [1, 2]


@pytest.mark.parametrize("encoding", ["csv", "ndjson", "arrow", "parquet"])
def test_more_rows_than_the_limit_are_cut_and_it_is_said(database: Database, encoding: str) -> None:
    cut = ask(database, encoding, "FROM range(10)", rows=9)
    whole = ask(database, encoding, "FROM range(9)", rows=9)
    assert (cut.truncated, whole.truncated) == (True, False)
    if encoding in ("arrow", "parquet"):
        assert table_of(cut, encoding) == table_of(whole, encoding)
    else:
        assert cut.body == whole.body


@pytest.mark.parametrize("encoding", ["csv", "ndjson", "arrow", "parquet"])
def test_an_answer_that_is_too_large_is_refused(database: Database, encoding: str) -> None:
    with pytest.raises(QueryError, match="has over 1 MiB, the limit; aggregate more"):
        ask(database, encoding, "SELECT md5(range::VARCHAR) AS a FROM range(100_000)", rows=10**9, bytes=1 << 20)


@pytest.mark.parametrize("encoding", ["csv", "ndjson", "arrow", "parquet"])
def test_a_query_that_takes_too_long_is_ended(database: Database, encoding: str) -> None:
    with pytest.raises(QueryError, match="which is the limit"):
        ask(database, encoding, "SELECT count(*) FROM range(10_000_000) a, range(1_000_000) b", seconds=0.2)


@pytest.mark.parametrize("encoding", ["csv", "ndjson", "arrow", "parquet"])
def test_what_fails_while_it_is_fetched_is_an_error_of_the_query(database: Database, encoding: str) -> None:
    with pytest.raises(QueryError, match="Could not convert"):
        ask(database, encoding, "SELECT ('x' || range)::INTEGER AS a FROM range(5)")


@pytest.mark.parametrize("encoding", ["csv", "ndjson", "arrow", "parquet"])
def test_parameters_go_in_as_they_are(database: Database, encoding: str) -> None:
    queries = Queries(database, QueryLimits())
    assert b"it's" in queries.encoded("SELECT ?::VARCHAR AS a", ["it's"], "red", encoding).body


@pytest.mark.parametrize("encoding", ["csv", "ndjson", "arrow", "parquet"])
def test_no_rows_are_an_answer_too(database: Database, encoding: str) -> None:
    answer = ask(database, encoding, "SELECT call FROM calls")
    assert not answer.truncated
    if encoding in ("arrow", "parquet"):
        assert table_of(answer, encoding).column_names == ["call"]


def test_without_pyarrow_it_is_said_what_to_install(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(optional, "import_module", missing)
    with pytest.raises(NotAcceptable, match=r"pip install 'rayfaas\[arrow\]'"):
        ask(database, "arrow")


def test_a_saved_view_is_whole(database: Database) -> None:
    database.outgoing.mkdir(exist_ok=True)
    file = database.outgoing / "x.parquet"
    written = Queries(database, QueryLimits(rows=3)).save("FROM range(100)", None, "COPY ({query}) TO {file}", file)
    assert (written, len(duckdb.read_parquet(str(Path(file))).fetchall())) == (100, 100)
