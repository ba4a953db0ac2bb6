"""The Python of docs/access.md is such that it runs, and its limits are those that hold."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from rayfaas.errors import QueryError, QueueFull, Unavailable
from rayfaas.registry.ceiling import ROOM_BYTES
from rayfaas.registry.cells import MOST_OF_PARTS, MOST_OF_TEXT
from rayfaas.registry.forbidden import MOST_TIMES, MOST_WRITTEN
from rayfaas.registry.query import QueryLimits
from rayfaas.registry.sandbox import MOST_TABLES, MOST_TEXT, MOST_VALUE
from rayfaas.server.askers import MOST_OF_A_TEAM
from rayfaas.server.store import MOST_AT_ONCE, READ_S, USERS_QUERIES

TEXT = (Path(__file__).parent.parent / "docs" / "access.md").read_text()


def test_python_parses_and_the_picture_is_there() -> None:
    for block in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL):
        ast.parse(block)
    assert (Path(__file__).parent.parent / "docs" / "fairness.png").exists()


def test_the_limits_of_queries_are_those_of_the_code() -> None:
    section = TEXT.partition("## SQL")[2].partition("##")[0]
    limits = QueryLimits()
    numbers = [limits.seconds, limits.rows, limits.bytes >> 20, MOST_TEXT, MOST_TABLES]
    numbers += [MOST_VALUE, MOST_WRITTEN, MOST_TIMES, MOST_OF_TEXT >> 20, MOST_OF_PARTS >> 20]
    numbers += [USERS_QUERIES, MOST_AT_ONCE, Unavailable.status, MOST_OF_A_TEAM, QueueFull.status, READ_S]
    numbers += [ROOM_BYTES >> 30, 2, QueryError.status, Unavailable.status]
    assert [float(each.replace(",", "")) for each in re.findall(r"\b\d[\d,]*\b", section)] == numbers
