"""Where an alias leads: weights as they were said, a history that only grows, a rollback that undoes a change."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rayfaas.destination import Arm, Destination, Shadow
from rayfaas.errors import Conflict, NotFound
from rayfaas.registry.aliases import Aliases
from rayfaas.registry.database import Database
from rayfaas.registry.registry import Registry
from tests.registry.builders import empty

LIVE = ("red", "f", "live")

weights = st.floats(0.001, 1e6, allow_nan=False)
arms = st.dictionaries(st.integers(1, 9), weights, min_size=1, max_size=5).map(
    lambda each: tuple(Arm(version=version, weight=weight) for version, weight in each.items())
)
sticky = st.none() | st.sampled_from(["caller", "header:User-Id"])
shadows = st.none() | st.builds(Shadow, version=st.integers(10, 12), share=st.floats(0.1, 100))
destinations = st.builds(Destination, arms=arms, sticky=sticky, shadow=shadows)
plain = st.integers(1, 9).map(Destination.of)


@pytest.fixture
def aliases(database: Database) -> Aliases:
    return Aliases(database)


def split(**shares: float) -> Destination:
    """`split(v7=95, v8=5)`."""
    return Destination(arms=tuple(Arm(version=int(name[1:]), weight=share) for name, share in shares.items()))


def leads_to(aliases: Aliases) -> Destination:
    return aliases.existing(*LIVE).destination


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(destinations | plain, min_size=1, max_size=8))
def test_each_destination_is_kept_as_it_was_said_and_rollbacks_undo_one_after_the_other(
    database: Database, moves: list[Destination]
) -> None:
    empty(database)
    aliases = Aliases(database)
    led: list[Destination] = []
    for move in moves:
        row = aliases.move(*LIVE, move, "ann", "why")
        led += [move] if not led or led[-1] != move else []
        assert leads_to(aliases) == row.destination == move
        assert row.revision == len(led)
    for before in reversed(led[:-1]):
        assert aliases.rollback(*LIVE, "bob", "").destination == before == leads_to(aliases)
    with pytest.raises(Conflict, match="before, it led nowhere"):
        aliases.rollback(*LIVE, "bob", "")
    history = aliases.history(*LIVE, 100)
    assert [move.revision for move in reversed(history)] == list(range(1, 2 * len(led)))


def test_a_move_after_a_rollback_is_undone_by_the_next_one(aliases: Aliases) -> None:
    for version in (1, 2):
        aliases.move(*LIVE, Destination.of(version), "ann", "")
    aliases.rollback(*LIVE, "ann", "")
    aliases.move(*LIVE, Destination.of(3), "ann", "")
    assert aliases.rollback(*LIVE, "ann", "").version == 1
    with pytest.raises(Conflict):
        aliases.rollback(*LIVE, "ann", "")


def test_a_rollback_says_why_and_to_what(registry: Registry) -> None:
    aliases = registry.aliases
    aliases.move(*LIVE, split(v7=95, v8=5), "ann", "careful")
    aliases.move(*LIVE, Destination.of(8), "ann", "")
    aliases.rollback(*LIVE, "bob", "")
    aliases.move(*LIVE, Destination.of(8), "ann", "")
    aliases.rollback(*LIVE, "bob", "it is broken")
    moves = registry.query("SELECT version, moved_by, reason, undo FROM alias_moves ORDER BY revision", [], None).rows
    assert moves[2:] == [[7, "bob", "back to revision 1", 0], [8, "ann", "", 3], [7, "bob", "it is broken", 0]]
    (row,) = registry.query("SELECT version, arms, sticky, shadow_version FROM aliases", [], None).rows
    assert row == [7, '[{"version":7,"weight":95.0},{"version":8,"weight":5.0}]', None, None]


def test_what_is_not_there_can_not_be_rolled_back(aliases: Aliases) -> None:
    with pytest.raises(NotFound, match="no alias 'live'"):
        aliases.rollback(*LIVE, "ann", "")


def test_moves_of_an_older_file_are_undone_too(aliases: Aliases, database: Database) -> None:
    for version in (1, 2):
        aliases.move(*LIVE, Destination.of(version), "ann", "")
    database.run("UPDATE store.alias_moves SET undo = NULL, destination = NULL")
    assert [move.undo for move in aliases.history(*LIVE, 10)] == [1, 0]
    assert aliases.rollback(*LIVE, "ann", "").version == 1


def test_as_of_a_moment_it_is_what_it_was(aliases: Aliases) -> None:
    assert aliases.at(*LIVE, datetime.now(timezone.utc)) is None
    moments = []
    for version in (1, 2, 3):
        aliases.move(*LIVE, Destination.of(version), "ann", "")
        moments.append(aliases.existing(*LIVE).moved_at)
    before = moments[0] - timedelta(seconds=1)
    led = [aliases.at(*LIVE, moment) for moment in (before, *moments, moments[-1] + timedelta(days=900))]
    assert [row and (row.version, row.revision) for row in led] == [None, (1, 1), (2, 2), (3, 3), (3, 3)]
    assert aliases.at("red", "f", "prod", moments[0]) is None


def test_the_history_is_of_one_alias_or_of_all_the_newest_first(aliases: Aliases) -> None:
    aliases.move(*LIVE, Destination.of(1), "ann", "first")
    aliases.move("red", "f", "prod", split(v1=1, v2=2), "bob", "second")
    aliases.move("red", "g", "live", Destination.of(1), "bob", "another function's")
    assert [move.reason for move in aliases.history("red", "f", None, 10)] == ["second", "first"]
    assert [move.reason for move in aliases.history(*LIVE, 10)] == ["first"]
    assert len(aliases.history("red", "f", None, 1)) == 1
    assert [(move.alias, str(move.destination)) for move in aliases.current("red", "f")] == [
        ("live", "1"), ("prod", "1=1, 2=2"),
    ]  # fmt: skip
