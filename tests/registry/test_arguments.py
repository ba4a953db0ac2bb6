"""What calls were called with is seen by who may, asked in SQL, run again where all of it is known, and forgotten."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from rayfaas.errors import NotFound
from rayfaas.records import CallStarted, Recorded
from rayfaas.registry.database import Database
from rayfaas.registry.registry import Registry
from rayfaas.spec import Spec
from tests.registry.builders import ACCEPTED_US, ended, publish, replayed, segment, started

ARGUMENTS = '{"text":"héllo","n":[1,2]}'


def load(registry: Registry, journal: Path, is_whole: bool = True, text: str = ARGUMENTS, **start: Any) -> CallStarted:
    """A call of red/f by blue, unless `start` says otherwise; it was called with `text`."""
    call = started(**{"team": "blue", "principal": "bob", **start})
    segment(journal, call, Recorded(call.call, ACCEPTED_US, text, is_whole), ended(call))
    registry.load_journal()
    return call


def seen(registry: Registry, team: str | None) -> list[list[Any]]:
    return registry.query("SELECT call::VARCHAR, arguments ->> 'text' FROM arguments", [], team).rows


@pytest.mark.parametrize("team", [None, "red", "blue"])
def test_the_functions_team_and_the_callers_see_them(registry: Registry, journal: Path, team: str | None) -> None:
    call = load(registry, journal)
    assert registry.arguments.of_call(call.call, team) == {
        "arguments": {"text": "héllo", "n": [1, 2]},
        "arguments_cut": False,
    }
    assert seen(registry, team) == [[call.call, "héllo"]]


def test_other_teams_see_nothing(registry: Registry, journal: Path) -> None:
    call = load(registry, journal)
    assert registry.arguments.of_call(call.call, "green") == {}
    assert seen(registry, "green") == []


def test_of_a_call_inside_the_team_that_began_the_chain_sees_nothing(registry: Registry, journal: Path) -> None:
    outer = started()
    call = load(registry, journal, parent=outer.call, root=outer.call)
    assert (registry.arguments.of_call(call.call, "blue"), seen(registry, "blue")) == ({}, [])
    assert registry.arguments.of_call(call.call, "red") != {}


def test_a_call_without_any_has_none(registry: Registry, journal: Path) -> None:
    call = started()
    segment(journal, call, ended(call))
    registry.load_journal()
    assert registry.arguments.of_call(call.call, None) == {}


def test_what_is_no_json_is_null_in_sql_and_breaks_nothing(registry: Registry, journal: Path) -> None:
    call = load(registry, journal, text='{"text": ')
    assert seen(registry, None) == [[call.call, None]]


def test_a_call_runs_again_with_them(registry: Registry, database: Database, journal: Path) -> None:
    registry.catalog.publish("red", "f", publish(spec=Spec(timeout_s=7)), "ann", "env")
    call = load(registry, journal, method="m")
    made = replayed(registry, call.call, "bob", "blue", "blue")
    (row,) = database.run("SELECT * FROM store.spawned WHERE call = $call::UUID", {"call": made})
    assert base64.b64decode(row["body"]).decode() == ARGUMENTS
    assert (row["target"], row["function"], row["version"], row["method"]) == ("f", "red/f", 1, "m")
    assert (row["content_type"], row["timeout_s"], row["principal"], row["team"]) == (
        "application/json", 7.0, "bob", "blue"
    )  # fmt: skip
    assert str(row["parent"]) == call.call


def test_not_where_some_of_them_were_left_out_nor_for_who_does_not_see_them(registry: Registry, journal: Path) -> None:
    hidden, whole = load(registry, journal, is_whole=False), load(registry, journal)
    for call, sees in ((hidden, "red"), (whole, "green")):
        with pytest.raises(NotFound, match="record_arguments"):
            replayed(registry, call.call, "gil", "green", sees)


def test_they_are_forgotten_by_their_age(registry: Registry, journal: Path) -> None:
    call = load(registry, journal)
    registry.arguments.purge(ACCEPTED_US)
    assert registry.arguments.of_call(call.call, None) != {}
    registry.arguments.purge(ACCEPTED_US + 1)
    assert registry.arguments.of_call(call.call, None) == {}
