"""Usage is a table by what is asked for; the team's by default of one function, and the functions' of all."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cli.terminal import Terminal
from tests.scripted_server import routes

TABLE: dict[str, Any] = {
    "GET /v1/usage": {
        "columns": [{"name": "team", "type": "VARCHAR"}, {"name": "cold_starts", "type": "BIGINT"}],
        "rows": [["ads", 3]],
        "truncated": False,
    }
}


@pytest.fixture(autouse=True)
def served(rayfaas: Terminal) -> None:
    rayfaas.serve(routes(TABLE))


def test_usage_is_a_table_or_json(rayfaas: Terminal) -> None:
    assert rayfaas("usage").lines == [["TEAM", "COLD", "STARTS"], ["ads", "3"]]
    assert rayfaas("usage", "--json").json == [{"team": "ads", "cold_starts": 3}]


def test_it_is_by_function_or_of_one_by_team_or_as_asked(rayfaas: Terminal) -> None:
    rayfaas("usage")
    rayfaas("usage", "embed")
    rayfaas("usage", "embed", "--by", "day,caller", "--since", "1h", "--until", "5m", "--team", "ads")
    first, second, third = (request.query for request in rayfaas.requests)
    assert first == {"by": ["function"], "since": ["30d"], "until": ["0s"]}
    assert second == {"by": ["team"], "since": ["30d"], "until": ["0s"], "function": ["embed"]}
    assert third == {
        "by": ["day,caller"],
        "since": ["1h"],
        "until": ["5m"],
        "function": ["embed"],
        "team": ["ads"],
    }


def test_cost_is_told_where_it_is_asked_for(rayfaas: Terminal) -> None:
    rayfaas("usage", "embed", "--cost")
    assert rayfaas.requests[0].query["cost"] == ["1"]


def test_a_time_that_is_none_is_wrong_usage(rayfaas: Terminal) -> None:
    ended = rayfaas("usage", "--since", "yesterday")
    assert (ended.code, rayfaas.requests) == (2, [])
    assert "write 90s, 15m, 12h, 30d or 1y" in " ".join(ended.err.split())


def test_a_function_that_is_not_there_is_no_function_without_calls(rayfaas: Terminal) -> None:
    empty = {"GET /v1/usage": {**TABLE["GET /v1/usage"], "rows": []}}
    rayfaas.serve(routes({**empty, "GET /v1/functions/nlp/embed": {}}))
    assert rayfaas("usage", "nlp/embed", "--json") == (0, "[]\n", "")
    assert rayfaas("usage", "nlp/nothing").code == 3
