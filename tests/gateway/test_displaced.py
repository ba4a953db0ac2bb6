"""A team that floods a function leaves the others their share of its queue."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from rayfaas.config import Limits
from rayfaas.gateway.dispatch import Pool
from tests.gateway.small import SmallGateway
from tests.gateway.test_dispatch import KEY, queue, waiting_call


@pytest.mark.parametrize(
    ("waiting", "weights", "comer", "displaced"),
    [
        ({"a": 10}, {}, "b", "a"),
        ({"a": 10}, {}, "a", None),
        ({"a": 6, "b": 4}, {}, "b", "a"),
        ({"a": 5, "b": 5}, {}, "b", None),
        ({"a": 6, "b": 5}, {}, "b", None),
        ({"a": 6, "b": 4}, {}, "c", "a"),
        ({"a": 6, "b": 2}, {"a": 3.0}, "b", None),
        ({"a": 8, "b": 2}, {"b": 3.0}, "b", "a"),
        ({}, {}, "a", None),
    ],
)
async def test_who_has_most_for_its_weight_gives_way_to_who_would_have_less(
    waiting: dict[str, int], weights: dict[str, float], comer: str, displaced: str | None
) -> None:
    pool = Pool(KEY, weights)
    for team, count in waiting.items():
        for _ in range(count):
            pool.append(waiting_call(team))
    found = pool.displaced_by(waiting_call(comer))
    assert (found.team if found is not None else None) == displaced


async def test_its_newest_call_of_the_lowest_priority_gives_way() -> None:
    pool = Pool(KEY)
    calls = [waiting_call("a"), waiting_call("a"), waiting_call("a", priority=1)]
    for call in calls:
        pool.append(call)
    assert pool.displaced_by(waiting_call("b")) is calls[1]


async def test_a_full_queue_has_room_for_a_team_that_has_nothing_in_it(run_dir: Path) -> None:
    async with SmallGateway(run_dir, Limits(max_queue=2)) as gateway:
        first, second = await queue(gateway, (b"1", "ivan"), (b"2", "ivan"))
        other = gateway.call(b"3", "nlp/embed", "otto")
        refused = await second.answer()
        assert (refused.status, refused.code, refused.headers["retry-after"]) == (429, "queue_full", "1")
        executor = await gateway.executor(concurrency=2)
        executor.answers(lambda call: call.returns(0))
        assert [(await each.answer()).status for each in (first, other)] == [200, 200]
        assert Counter(end.state for end in gateway.ends()) == {"SUCCEEDED": 2, "REJECTED": 1}
