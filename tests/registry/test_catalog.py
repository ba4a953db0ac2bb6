"""Versions are immutable and counted, aliases are a history of moves, and each change is whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rayfaas.destination import Destination
from rayfaas.errors import NotFound
from rayfaas.registry.alarms import Alarms
from rayfaas.registry.aliases import Aliases
from rayfaas.registry.catalog import Catalog
from rayfaas.registry.database import Database
from rayfaas.registry.registry import Registry
from rayfaas.registry.rows import AliasRow, InterfaceRow, VersionRow
from rayfaas.registry.schedules import Schedules
from rayfaas.spec import Entry, Provenance, Publish, Scaling, Shape, Spec
from tests.registry.builders import publish

HOSTILE = ["it's", 'a "b"', "'); DROP TABLE store.versions; --", "a\0b", "two\nlines", "😀é\u2028", "x" * 200_000, ""]


def made(database: Database) -> Catalog:
    aliases = Aliases(database)
    return Catalog(database, aliases, Schedules(database, aliases, Alarms(database)))


@pytest.fixture
def catalog(database: Database) -> Catalog:
    return made(database)


@pytest.fixture
def aliases(database: Database) -> Aliases:
    return Aliases(database)


def deploy(catalog: Catalog, request: Publish, *, name: str = "f", environment: str = "e1") -> tuple[VersionRow, bool]:
    return catalog.publish("red", name, request, "ann", environment)


def activate(catalog: Catalog, version: int, **changes: Any) -> AliasRow:
    fields: dict[str, Any] = {"interface": {"kind": "function"}, "alias": "live", "actor": "ann", "reason": "deploy"}
    fields |= {"phases": {"start_ms": 1.5}, "scaling": Scaling()}
    return catalog.activate("red", "f", version, **{**fields, **changes})


def states(catalog: Catalog) -> list[tuple[int, str]]:
    return [(row.version, row.state) for row in catalog.versions("red", "f")]


# Versions


def test_a_new_version_is_pending_and_can_not_be_called_yet(catalog: Catalog) -> None:
    row, created = deploy(catalog, publish())
    assert (row.version, row.state, created) == (1, "PENDING", True)
    assert catalog.routes() == []


def test_identical_content_is_the_version_that_exists(catalog: Catalog) -> None:
    first, _ = deploy(catalog, publish("a"))
    deploy(catalog, publish("b"))
    again, created = deploy(catalog, publish("a"))
    assert (again.version, created) == (first.version, False)
    assert states(catalog) == [(2, "PENDING"), (1, "PENDING")]


@pytest.mark.parametrize(
    "changes",
    [
        {"spec": Spec(scaling=Scaling(max_replicas=3))},
        {"provenance": Provenance(message="other", git_commit="1234")},
        {"syntax_digest": "other"},
        {"alias": "prod"},
        {"deadline_s": 1.0},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_is_not_content_makes_no_new_version(catalog: Catalog, changes: dict[str, Any]) -> None:
    deploy(catalog, publish())
    row, created = deploy(catalog, publish(**changes))
    assert (row.version, created) == (1, False)


@pytest.mark.parametrize(
    "changes",
    [
        {"bundle": "f" * 64},
        {"entry": Entry(module="m", name="g")},
        {"entry": Entry(kind="pickle", module="m", name="f")},
        {"spec": Spec(timeout_s=1)},
        {"spec": Spec(shape=Shape(env={"A": "b"}))},
        {"spec": Spec(retry_on=("ValueError",))},
    ],
    ids=str,
)
def test_other_content_is_the_next_version(catalog: Catalog, changes: dict[str, Any]) -> None:
    deploy(catalog, publish())
    row, created = deploy(catalog, publish(**changes))
    assert (row.version, created) == (2, True)


def test_the_same_content_in_another_environment_is_another_version(catalog: Catalog) -> None:
    deploy(catalog, publish(), environment="e1")
    row, created = deploy(catalog, publish(), environment="e2")
    assert (row.version, created, row.environment_digest) == (2, True, "e2")


def test_each_function_of_each_team_counts_its_own_versions(catalog: Catalog) -> None:
    for team, name in (("red", "f"), ("red", "g"), ("blue", "f")):
        row, _ = catalog.publish(team, name, publish(), "ann", "e1")
        assert (row.team, row.name, row.version) == (team, name, 1)


def test_a_version_is_what_was_published(catalog: Catalog) -> None:
    spec = Spec(timeout_s=7, concurrency=3, preload=("numpy",), shape=Shape(gpus=0.5, env={"K": "it's"}))
    made_by = Provenance(git_commit="1234", git_dirty=True, message="first")
    request = publish(spec=spec, provenance=made_by, syntax_digest="5e11")
    row, _ = deploy(catalog, request)
    assert (row.spec, row.provenance, row.entry, row.syntax_digest) == (spec, made_by, request.entry, "5e11")
    assert (row.bundle, row.content_digest, row.published_by) == (request.bundle, request.content_digest(), "ann")


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_kept_as_it_is(catalog: Catalog, text: str) -> None:
    env = {"X": text.replace("\0", ""), f"X{text}".replace("\0", "").replace("=", ""): ""}  # what env can hold
    deploy(catalog, publish(provenance=Provenance(message=text), spec=Spec(shape=Shape(env=env))))
    catalog.fail("red", "f", 1, text, text)
    (row,) = catalog.versions("red", "f")
    assert (row.provenance.message, row.failure, row.spec.shape.env) == (text, text, env)


# Success and failure


def test_a_deploy_that_succeeds_makes_the_version_active_and_moves_the_alias(catalog: Catalog) -> None:
    deploy(catalog, publish())
    scaling = Scaling(min_replicas=2)
    assert activate(catalog, 1, scaling=scaling) == AliasRow("live", 1, 1)
    (route,) = catalog.routes()
    assert (route.aliases, route.scaling) == ({"live": AliasRow("live", 1, 1)}, scaling)
    assert [row.version for row in route.versions] == [1]


def test_if_the_alias_can_not_move_the_version_is_not_active_either(catalog: Catalog) -> None:
    deploy(catalog, publish())
    with pytest.raises(TypeError):
        activate(catalog, 1, phases={"start_ms": object()}, scaling=Scaling(min_replicas=5))
    assert states(catalog) == [(1, "PENDING")]
    assert catalog.function("red", "f").aliases == []
    assert catalog.function("red", "f").scaling == Scaling()


def test_a_failed_version_says_why_and_can_not_be_called(catalog: Catalog) -> None:
    deploy(catalog, publish())
    catalog.fail("red", "f", 1, "no module named nmpy", "ann")
    (row,) = catalog.versions("red", "f")
    assert (row.state, row.failure) == ("FAILED", "no module named nmpy")
    assert catalog.routes() == []


def test_a_failed_version_that_is_published_again_is_pending_under_its_old_number(catalog: Catalog) -> None:
    deploy(catalog, publish())
    catalog.fail("red", "f", 1, "the node was full", "ann")
    row, created = deploy(catalog, publish())
    assert (row.version, row.state, row.failure, created) == (1, "PENDING", None, False)
    activate(catalog, 1)
    assert states(catalog) == [(1, "ACTIVE")]


def test_a_version_that_was_active_stays_so_when_a_later_deploy_of_it_fails(catalog: Catalog) -> None:
    deploy(catalog, publish())
    activate(catalog, 1)
    row, _ = deploy(catalog, publish())
    catalog.fail("red", "f", 1, "no replica", "ann")
    assert row.state == "ACTIVE"
    assert states(catalog) == [(1, "ACTIVE")]


def test_deploys_that_the_last_controller_did_not_finish_have_failed(tmp_path: Path) -> None:
    database = Database(tmp_path / "registry.duckdb")
    catalog = made(database)
    deploy(catalog, publish("a"))
    activate(catalog, 1)
    deploy(catalog, publish("b"))
    database.close()
    again = Database(tmp_path / "registry.duckdb")
    newest, oldest = made(again).versions("red", "f")
    again.close()
    assert (oldest.state, newest.state) == ("ACTIVE", "FAILED")
    assert newest.failure == "the controller ended during the deploy"


def test_an_interface_is_kept_when_its_version_goes_live_again_without_a_new_one(catalog: Catalog) -> None:
    deploy(catalog, publish())
    activate(catalog, 1, interface={"kind": "generator", "doc": "it's \0"})
    activate(catalog, 1, interface=None, alias="prod")
    (row,) = catalog.versions("red", "f")
    assert row.interface == {"kind": "generator", "doc": "it's \0"}


# Aliases


def test_an_alias_counts_its_moves_and_each_alias_its_own(catalog: Catalog, aliases: Aliases) -> None:
    for content in "abc":
        row, _ = deploy(catalog, publish(content))
        activate(catalog, row.version)
    assert aliases.move("red", "f", "live", Destination.of(1), "ann", "back") == AliasRow("live", 1, 4)
    assert aliases.move("red", "f", "prod", Destination.of(2), "ann", "first") == AliasRow("prod", 2, 1)
    assert catalog.function("red", "f").aliases == [AliasRow("live", 1, 4), AliasRow("prod", 2, 1)]


def test_a_move_to_where_the_alias_is_already_is_no_move(registry: Registry) -> None:
    catalog, aliases = registry.catalog, registry.aliases
    deploy(catalog, publish())
    activate(catalog, 1)
    assert aliases.move("red", "f", "live", Destination.of(1), "bob", "again") == AliasRow("live", 1, 1)
    assert registry.query("SELECT moved_by FROM alias_moves", [], team=None).rows == [["ann"]]


def test_every_move_is_kept_with_who_moved_it_and_why(registry: Registry) -> None:
    catalog, aliases = registry.catalog, registry.aliases
    for content in "ab":
        deploy(catalog, publish(content))
    activate(catalog, 1)
    for number, reason in enumerate(HOSTILE, 1):
        aliases.move("red", "f", "live", Destination.of(1 + number % 2), "bob", reason)
    rows = registry.query(
        "SELECT revision, version, moved_by, reason FROM alias_moves ORDER BY ALL", [], team=None
    ).rows
    assert rows[0] == [1, 1, "ann", "deploy"]
    assert rows[1:] == [[number + 1, 1 + number % 2, "bob", reason] for number, reason in enumerate(HOSTILE, 1)]
    assert registry.query("SELECT version, revision FROM aliases", [], team=None).rows == [rows[-1][1::-1]]


def test_aliases_of_the_same_name_belong_to_their_functions(catalog: Catalog, aliases: Aliases) -> None:
    for name in ("f", "g"):
        deploy(catalog, publish(), name=name)
    aliases.move("red", "f", "live", Destination.of(1), "ann", "")
    assert catalog.function("red", "g").aliases == []


# Questions


def test_versions_come_newest_first_and_of_an_unknown_function_there_are_none(catalog: Catalog) -> None:
    for content in "abc":
        deploy(catalog, publish(content))
    assert [row.version for row in catalog.versions("red", "f")] == [3, 2, 1]
    assert catalog.versions("red", "nope") == []


@pytest.mark.parametrize(("team", "name"), [("red", "g"), ("blue", "f"), ("red", "f' OR '1'='1"), ("", "")])
def test_an_unknown_function_is_not_found(catalog: Catalog, team: str, name: str) -> None:
    deploy(catalog, publish())
    with pytest.raises(NotFound):
        catalog.function(team, name)


def test_a_function_without_a_version_that_runs_is_listed_but_not_routed(catalog: Catalog) -> None:
    deploy(catalog, publish())
    deploy(catalog, publish(), name="g")
    catalog.activate("red", "g", 1, None, "live", "ann", "deploy", {}, Scaling())
    assert [row.name for row in catalog.functions()] == ["f", "g"]
    assert [row.name for row in catalog.routes()] == ["g"]


def test_a_bundle_may_be_added_again(registry: Registry) -> None:
    registry.catalog.add_bundle("d" * 64, 12, "ann")
    registry.catalog.add_bundle("d" * 64, 12, "bob")
    deploy(registry.catalog, publish())
    assert len(registry.catalog.versions("red", "f")) == 1


# Interfaces


def test_each_alias_has_the_interface_of_what_it_leads_to(catalog: Catalog, aliases: Aliases) -> None:
    assert catalog.interfaces() == []
    deploy(catalog, publish("a"))
    assert catalog.interfaces() == []
    activate(catalog, 1, interface={"doc": "one"})
    deploy(catalog, publish("b"))
    activate(catalog, 2, interface={"doc": "two"}, alias="prod")
    assert catalog.interfaces() == [
        InterfaceRow("red", "f", "live", 1, {"doc": "one"}),
        InterfaceRow("red", "f", "prod", 2, {"doc": "two"}),
    ]
    aliases.move("red", "f", "live", Destination.of(2), "ann", "forward")
    assert [row.interface["doc"] for row in catalog.interfaces()] == ["two", "two"]
