"""A canary goes on, returns or waits by the recorded calls; the clock is an argument."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from rayfaas.canary import CanaryPlan
from rayfaas.config import Home
from rayfaas.destination import Move
from rayfaas.errors import Conflict, NotFound
from rayfaas.registry.rows import Figures
from rayfaas.server.canaries import Canaries, judge
from rayfaas.server.journals import Journals
from rayfaas.server.releases import Releases
from rayfaas.server.store import Store
from tests.registry.builders import ended, segment, started
from tests.server.parts import member
from tests.server.test_deploys import Server

LIVE = ("red", "f", "live")
PLAN = CanaryPlan(version=2, steps=(5, 50, 100), every_s=60, max_error_rate=0.01, max_p99_increase=0.2, min_calls=100)


@pytest.mark.parametrize(
    ("lasted_s", "figures", "base", "outcome", "reason"),
    [
        (59, Figures(1000, 0, 9.0), Figures(9000, 0, 9.0), "WAIT", "59 of 60 s"),
        (60, Figures(1000, 10, 9.0), Figures(9000, 0, 9.0), "ON", "10 of 1000 calls failed; p99 9.0 ms"),
        (60, Figures(1000, 11, 9.0), Figures(9000, 0, 9.0), "BACK", "11 of 1000 calls failed"),
        (1, Figures(2, 2, None), Figures(9000, 0, 9.0), "BACK", "2 of 2 calls failed"),
        (1, Figures(50, 1, 9.0), Figures(9000, 0, 9.0), "WAIT", "1 of 60 s"),
        (60, Figures(99, 0, 9.0), Figures(9000, 0, 9.0), "WAIT", "99 of at least 100 calls"),
        (3600, Figures(99, 0, 9.0), Figures(9000, 0, 9.0), "BACK", "too few calls to judge by"),
        (60, Figures(100, 0, 12.0), Figures(9000, 0, 10.0), "ON", "p99 12.0 ms, of the others 10.0 ms"),
        (60, Figures(100, 0, 12.1), Figures(9000, 0, 10.0), "BACK", "more than 20% above"),
        (60, Figures(100, 0, 12.1), Figures(), "ON", "nothing to compare"),
    ],
)
def test_the_figures_decide(lasted_s: float, figures: Figures, base: Figures, outcome: str, reason: str) -> None:
    verdict = judge(PLAN, lasted_s, figures, base)
    assert verdict.outcome == outcome
    assert reason in verdict.reason


def test_times_do_not_matter_where_no_limit_is_set() -> None:
    plan = PLAN.model_copy(update={"max_p99_increase": None})
    assert judge(plan, 60, Figures(100, 0, 900.0), Figures(100, 0, 1.0)).outcome == "ON"


class Lab:
    """A server with versions 1, which is live, and 2; its time passes when a test says so."""

    def __init__(self, home: Home, store: Store) -> None:
        self.server = Server(home, store)
        self.store, self.journal = store, home.journal
        self.passed = timedelta(0)
        self.segments = 0
        self.canaries = self.controller()

    def controller(self) -> Canaries:
        """As of a controller that was started now."""
        releases: Releases = self.server.releases
        return Canaries(self.store, Journals(self.store), releases, lambda: datetime.now(timezone.utc) + self.passed)

    async def begin(self, **changes: Any) -> None:
        await self.server.releases.begin(*LIVE, PLAN.model_copy(update=changes), "ann")

    async def calls(self, version: int, count: int, errors: int = 0, ms: int = 5) -> None:
        """Through the alias, in the present step."""
        shown = await self.canaries.shown(*LIVE)
        made = [started(version=version, alias="live", alias_revision=shown["revision"]) for _ in range(count)]
        for number, call in enumerate(made):
            state = "FAILED" if number < errors else "SUCCEEDED"
            end = ended(call, state=state, ended_us=call.accepted_us + ms * 1000)
            segment(self.journal, call, end, number=self.segments)
        self.segments += 1

    async def look(self, seconds: float = 0) -> dict[str, Any]:
        """What it says after one look, so many seconds into the step."""
        self.passed = timedelta(seconds=seconds)
        await self.canaries.look()
        self.passed = timedelta(0)
        return await self.canaries.shown(*LIVE)

    async def leads_to(self) -> str:
        (move,) = await self.server.releases.aliases("red", "f")
        return str(move.destination)

    def hosted(self) -> set[str]:
        return {key for each in self.server.fleet.members() for key in each.hosted}


@pytest.fixture
async def lab(home: Home, store: Store) -> Lab:
    lab = Lab(home, store)
    await lab.server.fleet.join(member(lab.server.warm))
    for content in "ab":
        await lab.server.deploy(content)
    await lab.server.move(1)
    return lab


async def test_it_goes_on_step_by_step_and_keeps_what_it_may_return_to(lab: Lab) -> None:
    await lab.begin()
    seen = []
    for _ in range(3):
        await lab.calls(2, 100)
        await lab.calls(1, 100)
        assert (await lab.look(59))["state"] == "RUNNING"
        seen.append((await lab.leads_to(), lab.hosted() == {"red/f:1", "red/f:2"}))
        await lab.look(61)
    assert seen == [("1=95, 2=5", True), ("1=50, 2=50", True), ("2", True)]
    shown = await lab.canaries.shown(*LIVE)
    assert (shown["state"], shown["present"], await lab.leads_to()) == ("PROMOTED", None, "2")
    assert [(step["share"], step["outcome"]) for step in shown["steps"]] == [(5, "ON"), (50, "ON"), (100, "PROMOTED")]
    assert lab.hosted() == {"red/f:2"}


async def test_errors_return_it_at_once_with_the_figures_and_the_reason(lab: Lab) -> None:
    await lab.begin()
    await lab.calls(2, 20, errors=3)
    shown = await lab.look(2)
    assert (shown["state"], await lab.leads_to()) == ("RETURNED", "1")
    (step,) = shown["steps"]
    assert step["figures"] == {"calls": 20, "errors": 3, "p99_ms": 5.0}
    assert step["reason"] == "3 of 20 calls failed, more than 0.01 of 100 or more may" == shown["reason"]
    assert lab.hosted() == {"red/f:1"}


async def test_slower_calls_return_it_when_the_step_is_over(lab: Lab) -> None:
    await lab.begin()
    await lab.calls(2, 100, ms=7)
    await lab.calls(1, 100, ms=5)
    assert (await lab.look(59))["state"] == "RUNNING"
    assert (await lab.look(61))["reason"] == "p99 7.0 ms, of the others 5.0 ms: more than 20% above"


async def test_too_few_calls_are_waited_for_with_a_limit(lab: Lab) -> None:
    await lab.begin(limit_s=600.0)
    await lab.calls(2, 5)
    shown = await lab.look(599)
    assert (shown["state"], shown["present"]["figures"]["calls"]) == ("RUNNING", 5)
    assert (await lab.look(601))["reason"].startswith("too few calls to judge by: 5 of at least 100 calls")


async def test_it_goes_on_where_it_was_when_the_controller_was_killed(lab: Lab) -> None:
    await lab.begin()
    await lab.calls(2, 100)
    await lab.look(61)
    lab.server.catalog.function("red/f").kept.clear()
    lab.canaries = lab.controller()
    await lab.canaries.resume()
    assert lab.server.catalog.function("red/f").kept == {"live": frozenset({1})}
    await lab.calls(2, 100)
    shown = await lab.look(61)
    assert [step["share"] for step in shown["steps"]] == [5, 50]


async def test_it_is_aborted_by_who_may(lab: Lab) -> None:
    await lab.begin()
    shown = await lab.canaries.abort(*LIVE, "it is Friday", "bob")
    assert (shown["state"], shown["reason"], await lab.leads_to()) == ("ABORTED", "aborted by bob: it is Friday", "1")
    with pytest.raises(Conflict, match="has ended already: ABORTED"):
        await lab.canaries.abort(*LIVE, "", "bob")
    with pytest.raises(NotFound, match="There was no canary"):
        await lab.canaries.abort("red", "f", "prod", "", "bob")


@pytest.mark.parametrize("how", ["move", "deploy", "rollback"])
async def test_somebody_elses_change_in_the_middle_ends_it(lab: Lab, how: str) -> None:
    await lab.begin()
    if how == "move":
        await lab.server.releases.move(*LIVE, Move(version=2), "bob")
    elif how == "deploy":
        await lab.server.deploy("c")
    else:
        await lab.server.releases.rollback(*LIVE, "", "bob")
    led = await lab.leads_to()
    shown = await lab.look(61)
    assert (shown["state"], await lab.leads_to()) == ("SUPERSEDED", led)
    assert "moved the alias" in shown["reason"]
    assert lab.server.catalog.function("red/f").kept == {}


async def test_a_step_and_a_move_at_once_leave_one_of_both(lab: Lab) -> None:
    await lab.begin()
    await lab.calls(2, 100)
    lab.passed = timedelta(seconds=61)
    await asyncio.gather(lab.canaries.look(), lab.server.releases.move(*LIVE, Move(version=1), "bob"))
    assert await lab.leads_to() == "1"
    assert (await lab.canaries.shown(*LIVE))["state"] == "SUPERSEDED"
