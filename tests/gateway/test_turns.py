"""Teams take turns, and the oldest call can be found among them."""

from __future__ import annotations

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
