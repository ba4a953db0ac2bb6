"""What calls cost: the price of machines shared out, in histories whose sums were worked out by hand."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rayfaas.registry.database import now_us
from rayfaas.registry.registry import Registry
from rayfaas.registry.usage import Usage
from rayfaas.spec import Scaling, Shape, Spec
from tests.registry.builders import ended, publish, segment, started

NOW_US = time.time_ns() // 1000
HOUR_US = 3_600_000_000
BEGAN_US = NOW_US - 10 * HOUR_US
# Two GPUs and four CPUs; 36 dollars an hour are one cent a second.
PRICE, CPUS, GPUS = 36.0, 4.0, 2.0


def at(second: float) -> int:
    return BEGAN_US + int(second * 1e6)


def machine(registry: Registry, name: str = "m1", until_s: float | None = 100.0, **changes: Any) -> None:
    """It came up at second 0, joined as ray-NAME and, where `until_s` is said, ended then."""
    record: dict[str, Any] = {"cluster": "local", "group": "gpu", "name": name, "up_since": at(0) / 1e6}
    record |= {"usd_per_hour": PRICE, "cpus": CPUS, "gpus": GPUS, "changed_at": at(0) / 1e6, "ray": None} | changes
    save(registry, name, record)
    save(registry, name, record | {"ray": f"ray-{name}"})
    if until_s is not None:
        save(registry, name, record | {"up_since": None, "changed_at": at(until_s) / 1e6})


def save(registry: Registry, machine_id: str, record: dict[str, Any]) -> None:
    registry.machines.save_node(machine_id, "RUNNING", msgspec.json.encode(record).decode())


def function(registry: Registry, name: str, **shape: Any) -> None:
    registry.catalog.publish("nlp", name, publish(name, spec=Spec(shape=Shape(**shape))), "ann", "env")
    registry.catalog.activate("nlp", name, 1, None, "live", "ann", "deploy", {}, Scaling())


class Calls:
    """Of functions of nlp, in seconds since the machines came up."""

    def __init__(self, registry: Registry, journal: Path) -> None:
        self._registry, self._journal, self._number = registry, journal, 0

    def add(self, function: str, begin_s: float, end_s: float, executor: str = "", **start: Any) -> str:
        self._number += 1
        node = start.pop("node", "ray-m1")
        begun = started(
            **{"function": f"nlp/{function}", "owner": "nlp", "accepted_us": at(begin_s), "alias": "live", **start}
        )
        end = ended(
            begun,
            ended_us=at(end_s),
            started_us=at(begin_s),
            run_us=at(end_s) - at(begin_s),
            node=node,
            executor=executor or f"e{self._number}",
        )
        segment(self._journal, begun, end, number=self._number)
        return begun.call

    def usd(self) -> dict[str | None, Any]:
        """By call; None is what nobody held."""
        self._registry.load_journal()
        rows = self._registry.query("SELECT call, sum(usd) FROM costs GROUP BY call", [], None).rows
        return {call: pytest.approx(usd) for call, usd in rows}


@pytest.fixture
def calls(registry: Registry, journal: Path) -> Calls:
    function(registry, "embed", gpus=1, cpus=1)
    function(registry, "train", gpus=2, cpus=1)
    function(registry, "clean", cpus=1)
    return Calls(registry, journal)


def test_a_call_pays_for_the_larger_share_that_it_holds_and_the_rest_is_idle(registry: Registry, calls: Calls) -> None:
    machine(registry)
    embed, clean = calls.add("embed", 10, 20), calls.add("clean", 50, 70)
    # Half of a machine for 10 s, a quarter for 20 s, of 100 cents.
    assert calls.usd() == {embed: 0.05, clean: 0.05, None: 0.9}


def test_calls_of_one_executor_share_what_it_holds(registry: Registry, calls: Calls) -> None:
    machine(registry)
    first, second = calls.add("embed", 10, 30, "e"), calls.add("embed", 20, 40, "e")
    # Half a cent a second: alone for 10 s, together for 10 s, alone for 10 s.
    assert calls.usd() == {first: 0.075, second: 0.075, None: 0.85}


def test_executors_that_hold_more_than_there_is_share_all_of_it(registry: Registry, calls: Calls) -> None:
    machine(registry)
    train, embed = calls.add("train", 0, 40), calls.add("embed", 20, 60)
    # 1 for 20 s; 1 and 0.5 of 1.5 for 20 s; 0.5 for 20 s.
    assert calls.usd() == {train: 0.2 + 0.2 / 1.5, embed: 0.1 / 1.5 + 0.1, None: 0.5}


def test_what_is_not_known_of_a_machine_is_held_whole(registry: Registry, calls: Calls) -> None:
    machine(registry, cpus=0.0, gpus=0.0)
    clean = calls.add("clean", 10, 20)
    assert calls.usd() == {clean: 0.1, None: 0.9}


def test_without_a_price_there_is_no_cost_and_not_a_cost_of_nothing(registry: Registry, calls: Calls) -> None:
    machine(registry, usd_per_hour=None)
    calls.add("embed", 10, 20)
    calls.add("embed", 10, 20, node="ray-of-nobody")
    assert calls.usd() == {}
    (row,) = table(registry, "function")
    assert (row["calls"], row["usd"], row["calls_without_price"], row["idle"]) == (2, None, 2, None)


def test_a_machine_that_came_back_under_another_id_of_ray_is_the_same(registry: Registry, calls: Calls) -> None:
    machine(registry)
    again = {"cluster": "local", "group": "gpu", "name": "m1", "up_since": at(200) / 1e6, "usd_per_hour": PRICE}
    again |= {"cpus": CPUS, "gpus": GPUS, "changed_at": at(200) / 1e6, "ray": "ray-m1-again"}
    save(registry, "m1", again)
    save(registry, "m1", again | {"up_since": None, "changed_at": at(260) / 1e6, "ray": None})
    first, second = calls.add("train", 10, 20), calls.add("train", 210, 220, node="ray-m1-again")
    assert calls.usd() == {first: 0.1, second: 0.1, None: 1.4}


def test_a_machine_that_is_up_costs_until_now(registry: Registry, calls: Calls) -> None:
    machine(registry, until_s=None)
    hours = (now_us() - BEGAN_US) / HOUR_US
    (idle,) = calls.usd().values()
    assert idle.expected == pytest.approx(hours * PRICE, abs=1.0), "a cent for each second that this test took"


def table(registry: Registry, *by: str, team: str | None = None, **asked: Any) -> list[dict[str, Any]]:
    registry.load_journal()
    found = registry.usage(Usage(by, **{"since_s": 86_400.0, "cost": True, **asked}), team)
    return [dict(zip((name for name, _ in found.columns), row, strict=True)) for row in found.rows]


@pytest.fixture
def history(registry: Registry, calls: Calls) -> None:
    """Two machines for 100 s, 2 dollars in all. m1: embed for ads (0.1), for search (0.2); m2: clean for ads (0.05)."""
    machine(registry)
    machine(registry, "m2", group="cpu")
    calls.add("embed", 0, 20, team="ads", principal="ads-bot")
    calls.add("embed", 30, 70, team="search", principal="search-bot")
    calls.add("clean", 10, 30, team="ads", principal="ads-bot", node="ray-m2")


@pytest.mark.usefixtures("history")
def test_usage_tells_what_each_group_cost_and_what_idled_and_all_adds_up(registry: Registry) -> None:
    rows = table(registry, "function")
    told = [(row["function"], row["calls"], row["usd"], row["idle"]) for row in rows]
    assert told[:2] == [("nlp/embed", 2, 0.3, None), ("nlp/clean", 1, 0.05, None)]
    assert sorted(told[2:], key=str) == [(None, 0, 0.7, "local/gpu"), (None, 0, 0.95, "local/cpu")]
    assert sum(row["usd"] for row in rows) == pytest.approx(2.0)


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize(
    "by", ["version", "alias", "caller", "team", "owner", "flow_run", "schedule", "cluster", "day", "via", "hardware"]
)
def test_sums_are_the_machines_cost_whatever_calls_are_grouped_by(registry: Registry, by: str) -> None:
    assert sum(row["usd"] for row in table(registry, by)) == pytest.approx(2.0)


@pytest.mark.usefixtures("history")
def test_what_a_service_cost_by_callers_team_comes_with_the_idle_time_of_its_machines(registry: Registry) -> None:
    rows = table(registry, "team", function="embed")
    assert [(row["team"], row["usd"], row["idle"]) for row in rows] == [
        ("ads", 0.1, None),
        ("search", 0.2, None),
        (None, 0.7, "local/gpu"),
    ]


@pytest.mark.usefixtures("history")
def test_a_team_sees_its_own_costs_and_idle_time_and_those_of_nobody_else(registry: Registry) -> None:
    rows = table(registry, "team", team="ads")
    told = {row["team"] or row["idle"]: row["usd"] for row in rows}
    assert told == {"ads": 0.15, "local/gpu": 0.7, "local/cpu": 0.95}
    seen = registry.query("SELECT DISTINCT team FROM costs WHERE call IS NOT NULL", [], "ads").rows
    assert seen == [["ads"]]


@pytest.mark.usefixtures("history")
def test_the_question_of_the_docs_is_answered(registry: Registry) -> None:
    registry.load_journal()
    section = Path("docs/questions.md").read_text().partition("## What did it cost?")[2]
    rows = registry.query(section.partition("```sql\n")[2].partition("```")[0], [], None).rows
    assert [(*row[:3], round(row[3], 6)) for row in rows] == [
        ("nlp", "nlp/embed", "search", 0.2),
        ("nlp", "nlp/embed", "ads", 0.1),
        ("nlp", "nlp/clean", "ads", 0.05),
    ]


@pytest.mark.usefixtures("history")
def test_money_is_counted_in_the_time_that_is_asked_for(registry: Registry) -> None:
    # From second 60 to 80: 10 s of a call that began before, at half a cent, and 40 machine seconds in all.
    registry.load_journal()
    now = time.time()
    rows = table(registry, "function", since_s=now - at(60) / 1e6, until_s=now - at(80) / 1e6)
    (embed,) = [row for row in rows if row["function"]]
    assert (embed["function"], embed["calls"]) == ("nlp/embed", 1)
    assert embed["usd"] == pytest.approx(0.05, abs=1e-3)
    assert sum(row["usd"] for row in rows) == pytest.approx(0.4, abs=1e-2)


def test_nothing_is_told_of_cost_where_nobody_asks(registry: Registry, calls: Calls) -> None:
    calls.add("embed", 0, 20)
    assert "usd" not in table(registry, "function", cost=False)[0]
