"""A version's load is the sum of what the gateways reported last, and its idleness counts from its last use."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rayfaas.server.loads import Load, Loads
from tests.server.parts import Clock, Peer

KEY = "red/f:1"


def test_the_loads_of_all_gateways_are_added_and_the_longest_wait_counts() -> None:
    loads = Loads(Clock())
    loads.report(Peer().link, {KEY: [2, 3, 0.5], "red/g:1": [1, 0, 0]})
    loads.report(Peer().link, {KEY: [1, 0, 2.5]})
    assert loads.of(KEY) == Load(3, 3, 2.5)
    assert loads.of(KEY).calls == 6
    assert loads.busy() == {KEY, "red/g:1"}


def test_a_report_takes_the_place_of_the_gateways_last_one() -> None:
    loads, gateway = Loads(Clock()), Peer().link
    loads.report(gateway, {KEY: [2, 3, 0.5]})
    loads.report(gateway, {"red/g:1": [1, 0, 0.0]})
    assert loads.of(KEY) == Load()
    assert loads.busy() == {"red/g:1"}


def test_what_a_gateway_reported_goes_with_it() -> None:
    loads, gateway = Loads(Clock()), Peer().link
    loads.report(gateway, {KEY: [2, 3, 0.5]})
    loads.forget(gateway)
    loads.forget(gateway)
    assert loads.of(KEY) == Load()
    assert loads.busy() == set()


def test_a_version_is_idle_since_its_last_report_or_touch() -> None:
    clock = Clock()
    loads = Loads(clock)
    loads.report(Peer().link, {KEY: [1, 0, 0]})
    clock.now += 10
    assert loads.idle_s(KEY) == 10
    loads.touch(KEY)
    assert loads.idle_s(KEY) == 0
    clock.now += 5
    loads.report(Peer().link, {KEY: [0, 1, 0.1]})
    assert loads.idle_s(KEY) == 0


def test_a_version_that_was_never_called_is_idle_since_the_first_question() -> None:
    clock = Clock()
    loads = Loads(clock)
    assert loads.idle_s(KEY) == 0
    clock.now += 7
    assert loads.idle_s(KEY) == 7
    assert loads.idle_s("red/g:1") == 0


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.floats(0, 9)), max_size=6))
def test_the_order_of_reports_does_not_matter(reports: list[tuple[int, int, float]]) -> None:
    totals = []
    for order in (reports, reports[::-1]):
        loads = Loads(Clock())
        for report in order:
            loads.report(Peer().link, {KEY: list(report)})
        totals.append(loads.of(KEY))
    assert totals[0] == totals[1]
    assert totals[0].calls == sum(in_flight + waiting for in_flight, waiting, _ in reports)
