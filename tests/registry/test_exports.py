"""A view as a file: whole or of a day, as a team sees it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pytest

from rayfaas.errors import BadRequest, NotFound, Unavailable
from rayfaas.registry import exports
from rayfaas.registry.archive import DAY_US
from rayfaas.registry.exports import DAILY
from rayfaas.registry.query import VIEWS
from rayfaas.registry.registry import Registry
from tests.registry.builders import ACCEPTED_US, ended, line, segment, started

DAY = date(2023, 11, 14)


@pytest.fixture
def registry(tmp_path: Path, journal: Path) -> Iterator[Registry]:
    """Calls of two days, by two teams, the older ones in the archive."""
    registry = Registry.open(tmp_path / "registry.duckdb", journal)
    for number, (team, day) in enumerate([("red", 0), ("blue", 0), ("red", 1)]):
        at_us = ACCEPTED_US + day * DAY_US
        call = started(accepted_us=at_us, team=team, owner=team, function=f"{team}/f")
        wrote = line("hello", call=call.call, at_us=at_us, function=f"{team}/f")
        segment(journal, call, wrote, ended(call), number=number)
    registry.load_journal()
    registry.archive.settle(registry.archive.write("calls", ACCEPTED_US // DAY_US * DAY_US))
    yield registry
    registry.close()


def rows(file: Path, columns: str) -> list[Any]:
    return duckdb.execute(f"SELECT {columns} FROM read_parquet('{file}') ORDER BY ALL").fetchall()


def test_a_day_of_calls_as_each_team_sees_it(registry: Registry) -> None:
    seen = {team: registry.exports.export("calls", DAY, team) for team in ("red", "blue", None)}
    assert {team: made.rows for team, made in seen.items()} == {"red": 1, "blue": 1, None: 2}
    assert rows(seen[None].file, "function") == [("blue/f",), ("red/f",)]
    assert registry.exports.export("calls", date(2023, 11, 15), "red").rows == 1
    assert registry.exports.export("calls", date(2030, 1, 1), "red").rows == 0


def test_its_columns_are_those_of_the_view(registry: Registry) -> None:
    made = registry.exports.export("logs", DAY, "red")
    query = 'SELECT "column" FROM view_columns WHERE "view" = \'logs\''
    columns = [row[0] for row in registry.query(query, [], "red").rows]
    assert duckdb.read_parquet(str(made.file)).columns == columns


def test_all_other_views_are_whole(registry: Registry) -> None:
    made = {view: registry.exports.export(view, None, None) for view in VIEWS if view not in DAILY}
    assert ("calls",) in rows(made["view_columns"].file, "DISTINCT view")


@pytest.mark.parametrize("view", ["secrets", "store.tokens", "calls; DROP", "/etc/passwd"])
def test_what_is_no_view_is_not_found(registry: Registry, view: str) -> None:
    with pytest.raises(NotFound, match="There are: calls, "):
        registry.exports.export(view, None, None)


def test_a_day_is_for_views_that_have_days(registry: Registry) -> None:
    with pytest.raises(BadRequest, match="calls is exported a day at a time"):
        registry.exports.export("calls", None, None)
    with pytest.raises(BadRequest, match="functions is exported whole"):
        registry.exports.export("functions", DAY, None)


def test_nothing_is_written_to_a_disk_that_is_nearly_full(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage(NamedTuple):
        free: int

    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1000))
    with pytest.raises(Unavailable, match="nearly full"):
        registry.exports.export("functions", None, None)


def test_what_fails_leaves_no_file(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(exports._SQL, "write", "COPY (SELECT nonsense FROM ({query})) TO {file}")
    with pytest.raises(Exception, match="nonsense"):
        registry.exports.export("functions", None, None)
    assert not list((registry._database.outgoing).iterdir())
