"""The SQL files hold what their modules run: each statement named once, and one statement under each name."""

from __future__ import annotations

from importlib import resources

import duckdb
import pytest

from rayfaas.registry.statements import load

FILES = [
    "access.sql",
    "alarms.sql",
    "arguments.sql",
    "catalog.sql",
    "deploys.sql",
    "journal.sql",
    "spawned.sql",
    "views.sql",
]


@pytest.mark.parametrize("file", FILES)
def test_no_name_is_given_twice(file: str) -> None:
    text = resources.files("rayfaas.registry").joinpath(file).read_text("utf-8")
    assert text.count("-- name: ") == len(load(file)) > 0


@pytest.mark.parametrize("file", FILES)
def test_under_each_name_is_one_statement(file: str) -> None:
    for name, statement in load(file).items():
        seen = {"team": "'red'", "hidden": "''", "begun": 0, "since": 0, "until": 1, "settled": "false"}
        whole = statement.format(**seen) if file == "views.sql" else statement
        assert len(duckdb.extract_statements(whole)) == 1
        assert statement == statement.strip()
        assert not statement.endswith(";")
        assert name.isidentifier()


def test_a_file_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        load("nothing.sql")
