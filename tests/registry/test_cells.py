"""A value that is too long is refused by DuckDB; an answer is otherwise what it would be."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest

from rayfaas.registry.cells import execute


@pytest.mark.parametrize(
    ("sql", "parameters"),
    [
        ("SELECT 1", []),
        ("SELECT 1 AS a, 'x' AS a, [2] AS a", []),
        ('SELECT \'a;b\' AS "it\'s; ""quoted""", ? ; -- the end; of it', ["é;"]),
        ("/* ; */ SELECT [?, ?] -- ;", [1, None]),
        ("SELECT $$;$$ AS é, ';' AS ö;", []),
        ("SELECT x, x::VARCHAR FROM range(5000) t(x) ORDER BY hash(x)", []),
        ("WITH a AS (SELECT [1] AS l) SELECT unnest(l), l FROM a", []),
        ("DESCRIBE SELECT 1 AS a", []),
        ("SUMMARIZE SELECT 'x' AS a", []),
        ("VALUES ('a', {'b': [1]}), (NULL, NULL)", []),
        ("FROM (PIVOT (SELECT 'x' AS a, 1 AS b) ON a USING list(b))", []),
        ("SELECT MAP {1: 'a'}, '01'::BIT, 'a'::BLOB, union_value(k := 1), '{}'::JSON, 'a'::ENUM ('a'), NULL", []),
    ],
)
def test_names_types_rows_and_their_order_are_those_of_the_query(sql: str, parameters: list[Any]) -> None:
    plain, looked_at = duckdb.connect(), duckdb.connect()
    plain.execute(sql, parameters)
    execute(looked_at, sql, parameters)
    shapes = [[(name, str(kind)) for name, kind, *_ in each.description or ()] for each in (plain, looked_at)]
    assert shapes[0] == shapes[1]
    assert plain.fetchall() == looked_at.fetchall()


@pytest.mark.parametrize(
    ("sql", "most"),
    [
        ("SELECT list(x) FROM range(1000000) t(x)", 2),
        ("SELECT {'a': [list(x)]} FROM range(1000000) t(x)", 2),
        ("SELECT histogram(x) FROM range(300000) t(x)", 2),
        ("SELECT string_agg('0123456789', '') FROM range(2000000)", 16),
        ("SELECT string_agg('0123456789', '')::BLOB FROM range(2000000)", 16),
    ],
)
def test_a_value_that_is_too_long_is_refused_with_what_to_do(sql: str, most: int) -> None:
    with pytest.raises(duckdb.Error, match=rf"over {most} MiB, the limit\. Read parts of it, with unnest or substring"):
        execute(duckdb.connect(), sql, []).fetchall()
