"""What calls cost is the same whether it was worked out before or is when it is asked, whatever became known since."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rayfaas.registry import spending
from rayfaas.registry.database import Database
from rayfaas.registry.query import Queries, QueryLimits, Window
from rayfaas.registry.registry import Registry
from rayfaas.registry.spending import STRETCH_US
from tests.registry.builders import living_segment, started
from tests.registry.test_costs import CPUS, GPUS, Calls, at, calls, function, machine, save

__all__ = ["calls"]  # a fixture

STRETCH_S = STRETCH_US / 1e6
HOUR_S = 3600.0


def settle(registry: Registry, before_us: int = at(HOUR_S)) -> int:
    """All that can be; how many stretches that was."""
    registry.load_journal()
    stretches = registry.spending.unsettled(before_us)
    for stretch in stretches:
        assert settle_one(registry, stretch)
    return len(stretches)


def settle_one(registry: Registry, stretch: int) -> bool:
    """As the server does it."""
    registry.spending.begin(stretch)
    worked = registry.spending.work_out(stretch)
    return worked is not None and registry.spending.settle(worked)


def settled(database: Database) -> int:
    return len(database.run("SELECT * FROM store.spent_stretches"))


@pytest.fixture
def history(registry: Registry, calls: Calls) -> None:
    """A machine for an hour; calls of one executor and of several at once, within a stretch and over ends of some."""
    machine(registry, until_s=HOUR_S)
    calls.add("embed", 10, 30, "e")
    calls.add("embed", 20, 40, "e")
    calls.add("train", 35, 2.5 * STRETCH_S)
    calls.add("embed", STRETCH_S, STRETCH_S + 1.5)
    calls.add("clean", 100, 2 * STRETCH_S, "c")
    calls.add("clean", 1.5 * STRETCH_S, 3.2 * STRETCH_S, "c")


@pytest.mark.usefixtures("history")
def test_what_is_settled_is_what_is_worked_out_when_it_is_asked(registry: Registry, calls: Calls) -> None:
    before = calls.usd()
    assert settle(registry) in (5, 6, 7)
    assert calls.usd() == before
    assert settle(registry) == 0
    assert sum(usd.expected for usd in before.values()) == pytest.approx(36.0)


@pytest.mark.usefixtures("history")
def test_so_it_is_where_only_a_part_of_the_time_is_asked_for(registry: Registry, database: Database) -> None:
    queries = Queries(database, QueryLimits())
    windows = [(at(a * STRETCH_S), at(b * STRETCH_S)) for a, b in ((0.1, 0.2), (0.5, 2.1), (1.7, 3), (0, 5))]

    def told() -> list[Any]:
        registry.load_journal()
        rows = "SELECT call::VARCHAR, round(sum(usd), 9) FROM costs GROUP BY ALL ORDER BY ALL"
        return [queries.query(rows, [], None, Window(a, b)).rows for a, b in windows]

    before = told()
    settle(registry)
    assert told() == before


@pytest.mark.usefixtures("history")
def test_a_call_that_is_told_of_late_counts_as_if_it_had_been_there(
    registry: Registry, database: Database, calls: Calls
) -> None:
    settle(registry)
    number = settled(database)
    late = calls.add("train", 1.2 * STRETCH_S, 1.3 * STRETCH_S)
    found = calls.usd()
    assert number - settled(database) in (1, 2), "where it ran, and no more"
    assert found[late].expected > 0
    settle(registry)
    assert calls.usd() == found
    assert settled(database) == number


@pytest.mark.usefixtures("history")
def test_what_becomes_known_of_a_machine_counts(registry: Registry, calls: Calls) -> None:
    settle(registry)
    record = {"cluster": "local", "group": "gpu", "name": "m2", "up_since": at(0) / 1e6, "usd_per_hour": 7.2}
    record |= {"cpus": CPUS, "gpus": GPUS, "changed_at": at(0) / 1e6, "ray": None}
    there = calls.add("clean", 50, 70, node="ray-m2")
    save(registry, "m2", record)
    save(registry, "m2", record | {"up_since": None, "changed_at": at(HOUR_S) / 1e6})
    assert there not in calls.usd()
    settle(registry)
    save(registry, "m2", record | {"ray": "ray-m2"})
    found = calls.usd()
    assert found[there] == pytest.approx(0.01)
    settle(registry)
    assert calls.usd() == found


def test_a_stretch_in_which_a_call_may_run_is_not_settled(registry: Registry, journal: Path) -> None:
    function(registry, "embed")
    machine(registry, until_s=HOUR_S)
    with living_segment(journal, started(accepted_us=at(STRETCH_S + 1))):
        assert settle(registry) in (1, 2)
        assert registry.spending.unsettled(at(HOUR_S)) == []


@pytest.mark.usefixtures("history")
def test_too_many_calls_are_left_to_who_asks(
    registry: Registry, database: Database, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = calls.usd()
    monkeypatch.setattr(spending, "MOST_CALLS", 2)
    left = [each for each in registry.spending.unsettled(at(HOUR_S)) if not settle_one(registry, each)]
    assert left
    assert registry.spending.unsettled(at(HOUR_S)) == left
    assert registry.spending.unsettled(at(HOUR_S), left) == []
    assert calls.usd() == before


@pytest.mark.usefixtures("history")
def test_of_calls_that_were_deleted_nothing_stays(registry: Registry, database: Database) -> None:
    settle(registry)
    registry.archive.delete("calls", at(HOUR_S))
    registry.spending.forget_deleted(at(HOUR_S))
    assert database.run("SELECT * FROM store.spent") == []
    assert registry.query("SELECT call, round(usd, 6) FROM costs", [], None).rows == [[None, 36.0]]


@pytest.mark.usefixtures("history")
def test_what_was_worked_out_while_a_call_was_loaded_that_ran_then_does_not_count(
    registry: Registry, database: Database, calls: Calls
) -> None:
    before = calls.usd()
    first, second, *_ = registry.spending.unsettled(at(HOUR_S))
    for stretch in (first, second):
        registry.spending.begin(stretch)
    worked = [registry.spending.work_out(stretch) for stretch in (first, second)]
    late = calls.add("train", 15, 16)
    found = calls.usd()
    assert found[late].expected > 0
    assert found != before
    ran = at(15) // STRETCH_US * STRETCH_US
    for each in worked:
        assert each is not None
        assert registry.spending.settle(each) == (each.from_us != ran)
        assert not each.file.exists()
    assert calls.usd() == found
    settle(registry)
    assert calls.usd() == found


@pytest.mark.usefixtures("history")
def test_costs_tell_of_each_call_once_and_what_the_view_calls_tells_of_it(registry: Registry, calls: Calls) -> None:
    calls.usd()
    told = "SELECT count(*), count(DISTINCT call) FROM costs WHERE call IS NOT NULL"
    same = (
        "SELECT count(*) FROM costs k JOIN calls c ON c.call = k.call AND c.node = k.ray_node AND c.state = k.state"
        " AND c.accepted_at = k.accepted_at AND c.started_at = k.started_at AND c.caller = k.caller"
    )
    assert registry.query(told, [], None).rows == [[6, 6]]
    settle(registry)
    assert registry.query(told, [], None).rows == [[6, 6]]
    assert registry.query(same, [], None).rows == [[6]]


@pytest.mark.usefixtures("history")
def test_what_calls_cost_is_forgotten_with_their_file_of_the_archive(registry: Registry, database: Database) -> None:
    settle(registry)
    day = registry.archive.day_to_move("calls", at(0) + 2 * 86_400_000_000)
    assert day is not None
    registry.archive.settle(registry.archive.write("calls", day))
    registry.spending.forget_deleted(at(HOUR_S))
    assert database.run("SELECT * FROM store.spent"), "its day is not over yet"
    registry.archive.delete("calls", at(0) + 2 * 86_400_000_000)
    registry.spending.forget_deleted(at(0) + 2 * 86_400_000_000)
    assert database.run("SELECT * FROM store.spent") == []
