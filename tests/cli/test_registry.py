"""Answers of the registry can be read by people, spreadsheets and programs."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from rayfaas.errors import QueryError
from rayfaas.wire import ARROW, PARQUET
from tests.cli.terminal import Terminal
from tests.scripted_server import Reply, Request, refusing, routes, streaming

CALL = "01900000-0000-7000-8000-000000000000"


def table(rows: list[list[Any]], truncated: bool = False) -> dict[str, Any]:
    columns = [{"name": "function", "type": "VARCHAR"}, {"name": "n", "type": "BIGINT"}]
    return {"POST /v1/sql": {"columns": columns, "rows": rows, "truncated": truncated}}


def test_a_table_is_for_people(rayfaas: Terminal) -> None:
    rayfaas.serve(routes(table([["nlp/embed", 3], ["[red]x", None], ["f", 0.123456]])))
    assert rayfaas("sql", "SELECT 1").lines == [
        ["function", "n"],
        ["nlp/embed", "3"],
        ["[red]x"],
        ["f", "0.1235"],
    ]


def test_json_is_for_programs(rayfaas: Terminal) -> None:
    rayfaas.serve(routes(table([["nlp/embed", 3], ["f", None]])))
    assert rayfaas("sql", "SELECT 1", "--json").json == [
        {"function": "nlp/embed", "n": 3},
        {"function": "f", "n": None},
    ]


def test_csv_is_lines_of_a_shell(rayfaas: Terminal) -> None:
    rayfaas.serve(routes(table([["f", 3]])))
    assert rayfaas("sql", "SELECT 1", "--csv").out == "function,n\nf,3\n"


def test_csv_is_for_spreadsheets(rayfaas: Terminal) -> None:
    rayfaas.serve(routes(table([['a "quoted", text\nin two lines', 3], ["f", None]])))
    rows = list(csv.reader(rayfaas("sql", "SELECT 1", "--csv").out.splitlines(keepends=True)))
    assert rows == [["function", "n"], ['a "quoted", text\nin two lines', "3"], ["f", ""]]


def test_parameters_are_values(rayfaas: Terminal) -> None:
    rayfaas.serve(routes(table([])))
    rayfaas("sql", "SELECT ?, ?, ?", "-p", "3", "-p", "nlp/embed", "--parameter", '["a"]')
    assert rayfaas.requests[0].json() == {"sql": "SELECT ?, ?, ?", "parameters": [3, "nlp/embed", ["a"]]}


@pytest.mark.parametrize("form", [[], ["--json"], ["--csv"]])
def test_rows_that_the_server_kept_are_told_on_stderr(rayfaas: Terminal, form: list[str]) -> None:
    rayfaas.serve(routes(table([["f", 1]], truncated=True)))
    ended = rayfaas("sql", "SELECT 1", *form)
    assert "Only the first 1 rows" in " ".join(ended.err.split())
    assert "Only the first" not in ended.out


@pytest.mark.parametrize(("option", "media"), [("--arrow", ARROW), ("--parquet", PARQUET)])
def test_an_answer_is_saved_in_the_type_that_is_asked_for(
    rayfaas: Terminal, tmp_path: Path, option: str, media: str
) -> None:
    async def answer(request: Request, reply: Reply) -> None:
        await reply.send(200, b"the file", {"Rayfaas-Truncated": "true"})

    rayfaas.serve(answer)
    ended = rayfaas("sql", "SELECT ?", "-p", "3", option, tmp_path / "answer")
    assert ended.code == 0
    assert "Only the first rows" in ended.err
    assert (tmp_path / "answer").read_bytes() == b"the file"
    assert rayfaas.requests[0].headers["accept"] == media
    assert rayfaas.requests[0].json() == {"sql": "SELECT ?", "parameters": [3]}


def test_a_refused_answer_leaves_no_file(rayfaas: Terminal, tmp_path: Path) -> None:
    rayfaas.serve(refusing(QueryError("no table x")))
    assert rayfaas("sql", "SELECT 1", "--parquet", tmp_path / "answer").code == 1
    assert list(tmp_path.glob("answer*")) == []


def test_a_file_that_can_not_be_written_is_told(rayfaas: Terminal, tmp_path: Path) -> None:
    rayfaas.serve(routes(table([])))
    ended = rayfaas("sql", "SELECT 1", "--arrow", tmp_path / "nowhere" / "answer")
    assert "can't be written" in ended.err


def test_a_wrong_query_is_told_as_the_registry_tells_it(rayfaas: Terminal) -> None:
    rayfaas.serve(refusing(QueryError("Catalog Error: [1] no table x")))
    assert rayfaas("sql", "SELECT * FROM x") == (1, "", "Error: Catalog Error: [1] no table x\n")


LOG = {
    "function": "nlp/embed",
    "version": 2,
    "call": "0191-aaaabbbbcccc",
    "stream": "stdout",
    "at": "2026-01-01T10:00:00.123456+00:00",
    "text": "50% [done]\n",
}


def test_logs_are_lines_with_where_they_come_from(rayfaas: Terminal) -> None:
    rayfaas.serve(routes({"GET /v1/logs": {"logs": [LOG, {**LOG, "text": "no end", "stream": "stderr"}]}}))
    assert rayfaas("logs").out == (
        "2026-01-01T10:00:00.123 nlp/embed:2 bbbbcccc stdout: 50% [done]\n"
        "2026-01-01T10:00:00.123 nlp/embed:2 bbbbcccc stderr: no end\n"
    )
    assert rayfaas("logs", "--json").json == [LOG, {**LOG, "text": "no end", "stream": "stderr"}]


def test_logs_are_asked_for_by_function_call_and_number(rayfaas: Terminal) -> None:
    rayfaas.serve(routes({"GET /v1/logs": {"logs": []}}))
    assert rayfaas("logs", "nlp/embed", "-n", "5") == (0, "", "")
    assert rayfaas("logs", CALL) == (0, "", "")
    named, of_call = (request.query for request in rayfaas.requests)
    assert named == {"function": ["nlp/embed"], "limit": ["5"]}
    assert of_call == {"call": [CALL], "limit": ["100"]}


def test_logs_are_followed_until_the_call_has_ended(rayfaas: Terminal) -> None:
    rayfaas.serve(routes({f"GET /calls/{CALL}/logs": streaming({"log": LOG}, {"log": LOG}, {"done": {}})}))
    followed = rayfaas("logs", CALL, "-f")
    assert (followed.code, len(followed.lines)) == (0, 2)
    assert [json.loads(line) for line in rayfaas("logs", CALL, "-f", "--json").out.splitlines()] == [LOG, LOG]


def test_logs_that_break_off_while_they_are_followed_are_no_success(rayfaas: Terminal) -> None:
    rayfaas.serve(routes({"GET /v1/logs": streaming({"log": LOG})}))
    assert rayfaas("logs", "-f", "-n", "7").code == 5
    assert rayfaas.requests[0].query == {"limit": ["7"]}
