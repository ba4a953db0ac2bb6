"""Calls are listed by how they ended, and spawned ones run again."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cli.terminal import Terminal
from tests.scripted_server import routes

CALL = "01900000-0000-7000-8000-000000000000"
AGAIN = "01900000-0000-7000-8000-000000000001"
COLUMNS = ("call", "function", "version", "method", "state", "code", "attempts", "caller", "accepted_at", "spawned")
ROW = [CALL, "nlp/embed", 2, None, "FAILED", "function_error", 3, "ada", "2026-11-27T10:00:00+00:00", True]
TABLE: dict[str, Any] = {
    "POST /v1/sql": {
        "columns": [{"name": name, "type": "VARCHAR"} for name in COLUMNS],
        "rows": [ROW],
        "truncated": False,
    },
    f"POST /calls/{CALL}/replay": {"call": AGAIN},
}


@pytest.fixture(autouse=True)
def served(rayfaas: Terminal) -> None:
    rayfaas.serve(routes(TABLE))


def test_calls_are_listed_as_they_ended(rayfaas: Terminal) -> None:
    heading, row = rayfaas("calls").lines
    assert heading[:2] == ["CALL", "FUNCTION"]
    assert row[:2] == [CALL, "nlp/embed"]
    assert row[-2:] == ["ago", "True"]
    assert rayfaas("calls", "--json").json == [dict(zip(COLUMNS, ROW, strict=True))]


def test_they_are_chosen_by_function_state_and_number(rayfaas: Terminal) -> None:
    rayfaas("calls")
    rayfaas("calls", "embed", "--state", "failed", "-n", "3")
    assert [request.json()["parameters"] for request in rayfaas.requests] == [[None, None, 50], ["FAILED", "embed", 3]]


@pytest.mark.parametrize("arguments", [["--state", "lost"], ["-n", "0"], ["-n", "many"]])
def test_what_is_no_state_and_no_number_is_wrong_usage(rayfaas: Terminal, arguments: list[str]) -> None:
    assert rayfaas("calls", *arguments).code == 2
    assert rayfaas.requests == []


def test_calls_are_run_again_as_others(rayfaas: Terminal) -> None:
    assert rayfaas("replay", CALL, "--json").json == [{"call": CALL, "replay": AGAIN}]
    assert rayfaas("replay", CALL).lines[1] == [CALL, AGAIN]
    assert rayfaas("replay").code == 2


def test_calls_are_cancelled_until_one_has_ended(rayfaas: Terminal) -> None:
    rayfaas.serve(routes({f"DELETE /calls/{CALL}": None}))
    assert rayfaas("cancel", CALL).out == f"{CALL} is cancelled.\n"
    code, out, err = rayfaas("cancel", CALL, AGAIN, "junk")
    assert (code, out) == (3, f"{CALL} is cancelled.\n")
    assert "Error" in err
    assert rayfaas("cancel").code == 2


def test_one_is_shown_with_its_arguments(rayfaas: Terminal) -> None:
    found = {"call": CALL, "function": "nlp/embed", "code": None, "arguments": {"text": "é"}, "arguments_cut": False}
    rayfaas.serve(routes({f"GET /calls/{CALL}": found}))
    out = rayfaas("calls", CALL).out
    assert out.splitlines() == [
        f"call           {CALL}",
        "function       nlp/embed",
        "arguments cut  False",
        "arguments      {",
        '  "text": "é"',
        "}",
    ]
    assert rayfaas("calls", CALL, "--json").json == found


def test_a_function_that_is_not_there_is_no_function_without_calls(rayfaas: Terminal) -> None:
    empty = {"POST /v1/sql": {**TABLE["POST /v1/sql"], "rows": []}}
    rayfaas.serve(routes({**empty, "GET /v1/functions/nlp/embed": {}}))
    assert rayfaas("calls", "nlp/embed", "--json") == (0, "[]\n", "")
    assert rayfaas("calls", "nlp/nothing").code == 3
