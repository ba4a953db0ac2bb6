"""What an answer may have in one cell. A value becomes objects of Python in one go, during which this process does
nothing else: a list of millions, or a text of a gigabyte, stops it for seconds. So DuckDB looks how long it is, and
refuses it, before there is any object of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb

from rayfaas.registry.statements import load

_SQL = load("cells.sql")
# Bytes of it as text: of what has parts, each of which is an object, and of others.
MOST_OF_PARTS, MOST_OF_TEXT = 2 << 20, 16 << 20
_WITH_PARTS = ("STRUCT", "MAP", "UNION", "VARIANT")
_TEXTS = ("VARCHAR", "JSON", "BLOB", "BIT")
_REFUSAL = "A value in the answer has over {most} MiB, the limit. Read parts of it, with unnest or substring."


def execute(cursor: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[Any]) -> duckdb.DuckDBPyConnection:
    """As the cursor does itself, but for that.

    >>> execute(duckdb.connect(), "SELECT [1, ?];", [2]).fetchall()
    [([1, 2],)]
    """
    values = list(parameters)
    try:
        found = cursor.sql(sql, params=values)  # which is not run yet
    except duckdb.BinderException:
        return cursor.execute(sql, values)  # which fails too, and says in which place
    most = [_most(str(kind)) for kind in found.types]
    if not any(most):
        return cursor.execute(sql, values)
    names = [f"c{number}" for number in range(len(most))]
    cells = ", ".join(
        f"{_cell(name, limit) if limit else name} AS {_quoted(title)}"
        for name, limit, title in zip(names, most, found.columns, strict=True)
    )
    answer = _SQL["answer"].format(query=_alone(sql), cells=cells, names=", ".join(names))
    return cursor.execute(answer, values)


def _alone(sql: str) -> str:
    """A statement without a semicolon at its end."""
    text = sql.encode()
    for place, kind in duckdb.tokenize(sql):
        if kind == duckdb.token_type.operator and text[place : place + 1] == b";":
            return text[:place].decode()
    return sql


def _most(kind: str) -> int:
    """Bytes of a value of that type; 0: it is never long."""
    if kind.endswith("]") or kind.startswith(_WITH_PARTS):
        return MOST_OF_PARTS
    return MOST_OF_TEXT if kind.startswith(_TEXTS) else 0


def _cell(name: str, most: int) -> str:
    return _SQL["cell"].format(name=name, most=most, refusal=_REFUSAL.format(most=most >> 20))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
