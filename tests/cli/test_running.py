"""What goes on is told in sentences."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

from rayfaas.registry import Registry
from tests.cli.terminal import Terminal
from tests.scripted_server import routes

COLUMNS = ("function", "version", "about", "aliases", "team", "running", "calls", "seconds")
ROWS: list[list[Any]] = [
    ["nlp/tune", 2, "Fine-tune BERT.", ["prod"], "x", 1, 1, 200],
    ["nlp/tune", 2, "Fine-tune BERT.", ["prod"], "y", 1, 1, 20],
    ["vision/embed", 3, None, [], "x", 0, 4200, None],
]


def serve(rayfaas: Terminal, rows: list[list[Any]]) -> None:
    columns = [{"name": name, "type": "VARCHAR"} for name in COLUMNS]
    rayfaas.serve(routes({"POST /v1/sql": {"columns": columns, "rows": rows, "truncated": False}}))


def test_each_version_has_a_sentence(rayfaas: Terminal) -> None:
    serve(rayfaas, ROWS)
    assert rayfaas("ps").out.splitlines() == [
        "nlp/tune, version 2 (prod): Fine-tune BERT. Running: 1 by team x, 1 by team y, for 3 min. "
        "In the last hour: 1 call by team x, 1 by team y.",
        "vision/embed, version 3. In the last hour: 4,200 calls by team x.",
    ]
    assert rayfaas("ps", "--json").json == [dict(zip(COLUMNS, row, strict=True)) for row in ROWS]


def test_nothing_is_told_as_well(rayfaas: Terminal) -> None:
    serve(rayfaas, [])
    assert rayfaas("ps").out == "Nothing runs, and nothing was called in the last hour.\n"


def test_the_question_is_one_that_the_registry_takes(tmp_path: Path) -> None:
    query = resources.files("rayfaas.cli").joinpath("running.sql").read_text("utf-8")
    registry = Registry.open(tmp_path / "registry.duckdb", tmp_path)
    table = registry.query(query, [], "nlp")
    registry.close()
    assert tuple(name for name, _ in table.columns) == COLUMNS
