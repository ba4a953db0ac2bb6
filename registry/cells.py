"""What an answer may have in one cell. A list, or what else has parts, becomes objects of Python in one go, during which
this process does nothing else: millions of them stop it for seconds. So DuckDB looks how long such a value is, and
refuses it, before there is any object of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb

from rayfaas.registry.statements import load

_SQL = load("cells.sql")
# Bytes of it as text.
MOST_IN_A_CELL = 2 << 20
_REFUSAL = (
    f"A list or object in the answer has over {MOST_IN_A_CELL >> 20} MiB, the limit. Read its parts as rows, with unnest."
)
_WITH_PARTS = ("STRUCT", "MAP", "UNION", "VARIANT")


def execute(cursor: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[Any]) -> duckdb.DuckDBPyConnection:
    """As the cursor does itself, but for that.

    >>> execute(duckdb.connect(), "SELECT [1, ?];", [2]).fetchall()
    [([1, 2],)]
    """
    query, values = _alone(sql), list(parameters)
    shape = cursor.execute(_SQL["shape"].format(query=query), values).description or []
    if not any(_has_parts(str(kind)) for _, kind, *_ in shape):
        return cursor.execute(sql, values)
    names = [f"c{number}" for number in range(len(shape))]
    cells = ", ".join(
        f"{_cell(name) if _has_parts(str(kind)) else name} AS {_quoted(str(title))}"
        for name, (title, kind, *_) in zip(names, shape, strict=True)
    )
    return cursor.execute(_SQL["answer"].format(query=query, cells=cells, names=", ".join(names)), values)


def _alone(sql: str) -> str:
    """A statement without a semicolon at its end."""
    text = sql.encode()
    for place, kind in duckdb.tokenize(sql):
        if kind == duckdb.token_type.operator and text[place : place + 1] == b";":
            return text[:place].decode()
    return sql


def _has_parts(kind: str) -> bool:
    return kind.endswith("]") or kind.startswith(_WITH_PARTS)


def _cell(name: str) -> str:
    return _SQL["cell"].format(name=name, most=MOST_IN_A_CELL, refusal=_REFUSAL)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
