"""Questions are sent as they were asked, and answers are tables."""

from __future__ import annotations

import pytest

from rayfaas.errors import QueryError
from rayfaas.operations.table import Table
from tests.operations.connected import connected
from tests.scripted_server import refusing


def test_a_query_answers_with_a_table() -> None:
    answer = {
        "columns": [{"name": "n", "type": "BIGINT"}, {"name": "who", "type": "VARCHAR"}],
        "rows": [[1, "ada"], [2, None]],
        "truncated": True,
    }
    with connected({"POST /v1/sql": answer}) as (client, server):
        table = client.sql("SELECT ?", iter([3]))
        assert table == Table(("n", "who"), ("BIGINT", "VARCHAR"), ((1, "ada"), (2, None)), True)
        assert server.requests[0].json() == {"sql": "SELECT ?", "parameters": [3]}


def test_a_wrong_query_is_a_query_error() -> None:
    table = {"POST /v1/sql": refusing(QueryError("no table x"))}
    with connected(table) as (client, _), pytest.raises(QueryError, match="no table x"):
        client.sql("SELECT * FROM x")
