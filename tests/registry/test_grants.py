"""In SQL nothing is to be seen of a function that is not for the asker's team."""

from __future__ import annotations

import pytest

from rayfaas.errors import NotFound
from rayfaas.registry.database import Database
from rayfaas.registry.lineage import Question
from rayfaas.registry.query import VIEWS, QueryLimits
from rayfaas.registry.registry import Registry
from rayfaas.spec import Scaling
from tests.registry.builders import ended, line, publish, segment, settled, spawned, started


@pytest.fixture
def registry(registry: Registry, journal: object) -> Registry:
    """red/cellar is closed; red's open function called it for blue, and blue called it when it still could."""
    registry.catalog.publish("red", "cellar", publish("c"), "ann", "e1")
    registry.catalog.activate("red", "cellar", 1, None, "live", "ann", "deploy", {}, Scaling())
    names = {"owner": "red", "team": "blue", "principal": "bob", "function": "red/cellar", "target": "red/cellar"}
    call, kept = started(**names), spawned(**{k: v for k, v in names.items() if k != "owner"})
    text = line("cellar door", call=call.call, function="red/cellar")
    segment(journal, call, text, ended(call), kept, settled(kept))  # type: ignore[arg-type]
    registry.load_journal()
    registry.grants.close("red", "cellar", "ann", "drafts")
    return registry


def rows_of(registry: Registry, team: str | None) -> str:
    views = [view for view in VIEWS if view != "view_columns"]
    return "".join(str(registry.query(f"SELECT * FROM {view}", [], team).rows) for view in views)


@pytest.mark.parametrize(("team", "is_seen"), [("red", True), (None, True), ("blue", False), ("green", False)])
def test_no_view_tells_of_it(registry: Registry, team: str | None, is_seen: bool) -> None:
    assert ("cellar" in rows_of(registry, team)) is is_seen


def test_with_a_grant_its_team_sees_it_again(registry: Registry) -> None:
    registry.grants.grant("red", "cellar", "blue", "ann", "")
    assert "cellar" in rows_of(registry, "blue")
    assert "cellar" not in rows_of(registry, "green")
    registry.grants.revoke("red", "cellar", "blue", "ann", "")
    assert "cellar" not in rows_of(registry, "blue")


def test_grants_are_of_one_function(registry: Registry) -> None:
    registry.grants.grant("red", "other", "blue", "ann", "")
    registry.grants.grant("blue", "cellar", "blue", "ann", "")
    assert "cellar" not in rows_of(registry, "blue")


@pytest.mark.parametrize("name", ["it's", "') OR true --", "{team}", "a/b"])
def test_odd_names_of_teams_are_no_way_in(registry: Registry, name: str) -> None:
    registry.grants.close(name, "cellar", "ann", "")
    assert "cellar" not in rows_of(registry, "blue")


def test_it_outlives_the_process(database: Database, journal: object, registry: Registry) -> None:
    again = Registry(database, journal, QueryLimits())  # type: ignore[arg-type]
    assert again.grants.of("red", "cellar").is_closed


@pytest.mark.parametrize(("team", "is_seen"), [("red", True), ("blue", False)])
def test_its_lineage_is_none(registry: Registry, team: str, is_seen: bool) -> None:
    call = str(registry.query("SELECT call FROM calls", [], None).rows[0][0])
    for of in ("red/cellar:1", "red/cellar", call):
        if is_seen:
            assert "cellar" in str(registry.lineage(Question(of, team), team))
        else:
            with pytest.raises(NotFound):
                registry.lineage(Question(of, team), team)
