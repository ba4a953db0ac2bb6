"""Ratios are taken within rounds, and goals on their medians."""

from __future__ import annotations

from benchmarks.comparison import GOALS, LATENCY, OURS, REQUESTS, Goal, Outcome, outcomes, ratio, summaries
from benchmarks.systems.all import SYSTEMS
from tests.benchmarks.measurements import measurement

PEER = "LitServe"


def test_a_slow_round_of_the_machine_favours_nobody() -> None:
    fast = [measurement(OURS, 0, 8000, 0.2), measurement(PEER, 0, 1000, 1.0)]
    slow = [measurement(OURS, 1, 800, 2.0), measurement(PEER, 1, 100, 10.0)]
    assert ratio([*fast, *slow], PEER, REQUESTS) == 8.0
    assert ratio([*fast, *slow], PEER, LATENCY) == 0.2


def test_a_round_in_which_one_of_the_two_failed_does_not_count() -> None:
    found = [measurement(OURS, 0, 6000, 0.2), measurement(OURS, 1, 9000, 0.2), measurement(PEER, 1, 1000, 1.0)]
    assert ratio(found, PEER, REQUESTS) == 9.0


def test_what_was_not_measured_has_no_ratio_and_no_verdict() -> None:
    goal = Goal(PEER, REQUESTS, "at least", 6.0)
    [outcome] = outcomes([measurement(OURS, 0, 6000, 0.2)], [goal])
    assert (outcome.ratio, outcome.met) == (None, None)
    assert str(outcome).endswith("not measured, at least 6x: unknown")


def test_goals_bound_from_below_or_from_above() -> None:
    assert Outcome(Goal(PEER, REQUESTS, "at least", 6.0), 6.0).met is True
    assert Outcome(Goal(PEER, REQUESTS, "at least", 6.0), 5.9).met is False
    assert Outcome(Goal(PEER, LATENCY, "at most", 0.6), 0.6).met is True
    assert Outcome(Goal(PEER, LATENCY, "at most", 0.6), 0.7).met is False


def test_goals_and_ours_name_systems_that_there_are() -> None:
    assert {OURS, *(goal.peer for goal in GOALS)} <= {system.name for system in SYSTEMS}


def test_summaries_are_medians_in_the_order_asked_for() -> None:
    rates = [(0, 1000.0), (1, 3000.0), (2, 2000.0)]
    found = [measurement(OURS, number, rate, 0.5, failed=number) for number, rate in rates]
    [first, second] = summaries([*found, measurement(PEER, 0, 10, 1.0)], [PEER, OURS, "not measured"])
    assert (first.system, second.system) == (PEER, OURS)
    assert (second.rounds, second.requests_per_s_many, second.failed, second.memory_mib) == (3, 2000.0, 3, 10.0)
