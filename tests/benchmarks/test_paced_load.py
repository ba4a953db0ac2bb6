"""Calls are made when they are due, and each answer says of which call it is."""

from __future__ import annotations

from itertools import count

import pytest

from benchmarks.endpoint import Endpoint
from benchmarks.errors import BenchmarkError
from benchmarks.paced_load import Answered, PacedLoad
from benchmarks.sustained import Found, compare
from tests.scripted_server import Reply, Request, ScriptedServer


async def test_so_many_calls_are_made_and_their_ids_kept() -> None:
    numbers = count()

    async def answer(request: Request, reply: Reply) -> None:
        await reply.send(200, request.body, {"Rayfaas-Call-Id": f"c{next(numbers)}"})

    with ScriptedServer(answer) as server:
        load = PacedLoad(Endpoint(f"{server.url}/call/noop", {"Authorization": "Bearer x"}), 200, connections=4)
        await load.run(0.5)
        assert server.requests[0].headers["authorization"] == "Bearer x"
    assert sorted(each.call for each in load.answered) == sorted(f"c{number}" for number in range(100))


async def test_a_call_that_fails_ends_it() -> None:
    async def answer(request: Request, reply: Reply) -> None:
        await reply.send(503)

    with ScriptedServer(answer) as server:
        load = PacedLoad(Endpoint(f"{server.url}/call/noop"), 200, connections=1)
        with pytest.raises(BenchmarkError, match="503"):
            await load.run(0.1)


def test_nothing_answered_is_no_measurement() -> None:
    with pytest.raises(BenchmarkError):
        compare([], ["a"])


def test_what_is_missing_and_what_is_there_twice_is_found() -> None:
    answered = [Answered(call, 0.0, 0.0) for call in "ab"]
    assert compare(answered, ["a", "b", "c"]) == Found(answered=2, recorded=3, missing=0, repeated=0)
    assert compare(answered, ["a", "a", "c"]) == Found(answered=2, recorded=3, missing=1, repeated=1)
