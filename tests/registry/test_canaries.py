"""A canary's steps are rows; the alias and they move together; somebody else's move ends it."""

from __future__ import annotations

import pytest

from rayfaas.canary import CanaryPlan
from rayfaas.destination import Destination
from rayfaas.errors import Conflict, NotFound
from rayfaas.registry.registry import Registry
from rayfaas.registry.rows import CanaryRow, Figures
from tests.registry.builders import ACCEPTED_US, ended, segment, started

LIVE = ("red", "f", "live")
PLAN = CanaryPlan(version=8, steps=(5, 50), message="faster")
GOOD, BASE = Figures(200, 1, 12.0), Figures(3_800, 3, 11.5)


@pytest.fixture
def canary(registry: Registry) -> CanaryRow:
    registry.aliases.move(*LIVE, Destination.of(6), "ann", "")
    registry.aliases.move(*LIVE, Destination.of(7), "ann", "")
    found, _ = registry.canaries.begin(*LIVE, PLAN, "ann")
    return found


def leads_to(registry: Registry) -> str:
    return str(registry.aliases.existing(*LIVE).destination)


def present(registry: Registry) -> CanaryRow:
    found = registry.canaries.latest(*LIVE)
    assert found is not None
    return found


def test_it_goes_step_by_step_to_all_calls(registry: Registry, canary: CanaryRow) -> None:
    assert (leads_to(registry), canary.state, canary.share) == ("7=95, 8=5", "RUNNING", 5)
    registry.canaries.advance(canary, "good enough", GOOD, BASE)
    second = present(registry)
    assert (leads_to(registry), second.step, second.revision, second.share) == ("7=50, 8=50", 1, 4, 50)
    registry.canaries.advance(second, "good again", GOOD, BASE)
    assert (leads_to(registry), present(registry).state, registry.canaries.running()) == ("8", "PROMOTED", [])
    columns = "step, share, outcome, reason, calls, errors, p99_ms, base_calls"
    rows = registry.query(f"SELECT {columns} FROM canary_steps ORDER BY step", [], None).rows
    assert rows == [
        [0, 5.0, "ON", "good enough", 200, 1, 12.0, 3_800],
        [1, 50.0, "PROMOTED", "good again", 200, 1, 12.0, 3_800],
    ]
    assert [step.figures for step in registry.canaries.steps(canary)] == [GOOD, GOOD]
    reasons = [move.reason for move in registry.aliases.history(*LIVE, 10)]
    assert reasons[:3] == [
        "canary, 100 % to version 8: good again (faster)",
        "canary, 50 % to version 8: good enough (faster)",
        "canary, 5 % to version 8 (faster)",
    ]


def test_it_is_one_change_to_a_rollback(registry: Registry, canary: CanaryRow) -> None:
    registry.canaries.advance(canary, "", GOOD, BASE)
    registry.canaries.advance(present(registry), "", GOOD, BASE)
    assert registry.aliases.rollback(*LIVE, "bob", "").version == 7
    assert registry.aliases.rollback(*LIVE, "bob", "").version == 6


def test_what_returned_is_no_change_to_a_rollback(registry: Registry, canary: CanaryRow) -> None:
    registry.canaries.give_up(canary, "RETURNED", "3 of 20 calls failed", "canary", GOOD, BASE)
    assert (leads_to(registry), present(registry).state) == ("7", "RETURNED")
    assert present(registry).reason == "3 of 20 calls failed"
    assert registry.aliases.rollback(*LIVE, "bob", "").version == 6


def test_a_move_by_hand_ends_it(registry: Registry, canary: CanaryRow) -> None:
    registry.aliases.move(*LIVE, Destination.of(9), "bob", "")
    last = present(registry)
    assert (last.state, last.reason) == ("SUPERSEDED", "bob moved the alias: it leads to 9 now")
    assert registry.query("SELECT outcome, share FROM canary_steps", [], None).rows == [["SUPERSEDED", 5.0]]
    assert registry.canaries.advance(canary, "", GOOD, BASE) is None
    assert registry.canaries.give_up(canary, "ABORTED", "", "ann", GOOD, BASE) is None
    assert leads_to(registry) == "9"


def test_a_rollback_ends_it_and_returns(registry: Registry, canary: CanaryRow) -> None:
    registry.aliases.rollback(*LIVE, "bob", "")
    assert (leads_to(registry), present(registry).state) == ("7", "SUPERSEDED")


def test_one_runs_at_a_time_and_only_where_there_is_something_to_compare(registry: Registry, canary: CanaryRow) -> None:
    with pytest.raises(Conflict, match=r"A canary of version 8 runs on red/f@live since .* begun by ann"):
        registry.canaries.begin(*LIVE, CanaryPlan(version=9, steps=(5,)), "bob")
    registry.aliases.move(*LIVE, Destination.of(9), "bob", "")
    with pytest.raises(Conflict, match="leads to version 9 already"):
        registry.canaries.begin(*LIVE, CanaryPlan(version=9, steps=(5,)), "bob")
    with pytest.raises(NotFound, match="no alias 'prod'"):
        registry.canaries.begin("red", "f", "prod", PLAN, "bob")


def test_figures_are_of_the_calls_through_the_alias_in_this_step(registry: Registry, canary: CanaryRow) -> None:
    journal = registry._journal._directory
    through = {"alias": "live", "alias_revision": canary.revision}
    for version, states in ((8, ["SUCCEEDED", "FAILED", "CANCELLED", "REJECTED"]), (7, ["SUCCEEDED"] * 200)):
        calls = [started(version=version, **through) for _ in states]
        ends = [ended(call, state=state) for call, state in zip(calls, states, strict=True)]
        segment(journal, *calls, *ends)
    others = [
        started(version=8),
        started(version=8, alias="live", alias_revision=2),
        started(version=8, **through, function="red/g"),
        started(version=8, **through, shadow_of=started().call),
        (cold := started(version=8, **through)),
    ]
    slow = ended(cold, cold="no executor of this version was up", ended_us=cold.accepted_us + 9_000_000)
    segment(journal, *others, *(ended(call) for call in others[:-1]), slow)
    registry.load_journal()
    assert registry.canaries.figures(canary) == (Figures(4, 2, 5.0), Figures(200, 0, 5.0))


def test_too_few_others_are_compared_with_those_of_the_last_hour(registry: Registry, canary: CanaryRow) -> None:
    now_us = int(canary.began_at.timestamp() * 1e6)
    calls = [
        started(version=7, alias="live", alias_revision=2, accepted_us=now_us - minutes * 60_000_000)
        for minutes in (10, 59, 61)
    ]
    segment(registry._journal._directory, *calls, *(ended(call) for call in calls))
    registry.load_journal()
    assert registry.canaries.figures(canary)[1] == Figures(2, 0, 5.0)
    assert now_us > ACCEPTED_US
