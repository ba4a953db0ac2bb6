from __future__ import annotations

from rayfaas.cloud.simulation import Outcome, fixed, learned, simulate


def test_a_kept_machine_costs_its_time_and_a_stopped_one_a_wake() -> None:
    trace = {"f": [(0.0, 10.0), (100.0, 10.0)]}
    wake_s, hour = 36.0, 3600.0
    # The first call always wakes, and ends at 46; the pause is 54 s.
    kept = simulate(trace, fixed(60.0), wake_s)
    assert kept == Outcome((36 + 10 + 54 + 10) / hour, 2, 1, 36 / hour)
    stopped = simulate(trace, fixed(0.0), wake_s)
    assert stopped == Outcome((36 + 10 + 36 + 10) / hour, 2, 2, 72 / hour)


def test_calls_that_come_during_a_wake_wait_for_the_rest_of_it() -> None:
    found = simulate({"f": [(0.0, 1.0), (20.0, 1.0)]}, fixed(60.0), 30.0)
    assert (found.cold, found.waited_hours) == (1, 40 / 3600)


def test_what_is_learned_of_long_pauses_costs_less_than_an_hour() -> None:
    trace = {"f": [(hour * 7200.0, 1.0) for hour in range(100)]}
    assert simulate(trace, learned, 60.0).up_hours < simulate(trace, fixed(3600.0), 60.0).up_hours / 5


def test_how_far_it_is_is_told_function_by_function() -> None:
    done: list[int] = []
    simulate({"f": [(0.0, 1.0)], "g": [(0.0, 1.0), (9.0, 1.0)]}, learned, 60.0, done.append)
    assert done == [1, 2]
