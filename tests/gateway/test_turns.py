"""Teams take turns, and the oldest call can be found among them."""

from __future__ import annotations

from collections import Counter

from rayfaas.gateway.pending import PendingCall
from rayfaas.gateway.turns import Turns
from tests.gateway.test_dispatch import waiting_call


async def test_teams_take_turns_and_each_is_served_in_order() -> None:
    calls = [waiting_call(team) for team in "aabc"]
    turns = Turns()
    for call in calls:
        turns.append(call)
    assert [turns.next() for _ in calls] == [calls[0], calls[2], calls[3], calls[1]]
    assert not turns


async def test_the_oldest_is_found_in_whatever_team_it_is() -> None:
    turns = Turns()
    made: list[PendingCall] = [waiting_call("a", 8), waiting_call("a", 3), waiting_call("b", 9)]
    for call in made[1:]:
        turns.append(call)
    turns.append_first(made[0])
    assert turns.oldest() is made[2]
    assert [turns.take_oldest() for _ in made] == [made[2], made[0], made[1]]
    assert not turns.remove(made[0])


async def test_a_team_has_turns_by_its_weight() -> None:
    turns = Turns({"a": 3.0, "c": 0.5})
    for team in "abc":
        for _ in range(40):
            turns.append(waiting_call(team))
    served = Counter(turns.next().team for _ in range(45))
    assert served == {"a": 30, "b": 10, "c": 5}


async def test_who_comes_late_gets_its_share_and_no_more_than_that() -> None:
    turns = Turns()
    for _ in range(200):
        turns.append(waiting_call("flood"))
    for _ in range(100):
        turns.next()
    for _ in range(3):
        turns.append(waiting_call("late"))
    assert [turns.next().team for _ in range(7)] == [*["flood", "late"] * 3, "flood"]


async def test_who_sends_one_call_after_the_other_takes_turns_too() -> None:
    turns = Turns()
    for _ in range(20):
        turns.append(waiting_call("flood"))
    served = []
    for _ in range(10):
        if not turns.counts()["single"]:
            turns.append(waiting_call("single"))
        served.append(turns.next().team)
    assert Counter(served) == {"flood": 5, "single": 5}
