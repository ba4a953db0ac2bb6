"""A spawned call is waited for, asked about and cancelled by its id, from any process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from rayfaas import Client
from rayfaas.errors import BadRequest, CallCancelled, Conflict, FunctionError, NotFound, Unavailable
from rayfaas.spawned import SpawnedCall
from tests.scripted_server import Handler, Reply, Request, ScriptedServer, answering, refusing, routes

CALL = "01890a5d-ac96-774b-bcce-b302099a8057"
RESULT = f"GET /calls/{CALL}/result"


@contextmanager
def call_on(handler: Handler) -> Iterator[tuple[SpawnedCall, ScriptedServer]]:
    with ScriptedServer(handler) as server, Client(server.url, "rf_x") as client:
        yield client.spawned(CALL), server


def pending(times: int, value: Any) -> Handler:
    """Says so many times that the call goes on, and then what it came to."""
    left = times

    async def handler(_: Request, reply: Reply) -> None:
        nonlocal left
        left -= 1
        await reply.json({"state": "RUNNING"} if left >= 0 else value, 202 if left >= 0 else 200)

    return handler


@pytest.mark.parametrize("value", [None, 0, [1, 2], {"state": "RUNNING"}])
def test_the_result_is_waited_for_over_as_many_requests_as_it_takes(value: Any) -> None:
    with call_on(routes({RESULT: pending(3, value)})) as (call, server):
        assert call.result() == value
        assert len(server.requests) == 4
    with call_on(routes({RESULT: pending(3, value)})) as (call, _):
        assert asyncio.run(call.result.aio()) == value


def test_the_server_is_asked_to_wait_so_that_nobody_asks_again_and_again() -> None:
    with call_on(routes({RESULT: answering(1)})) as (call, server):
        call.result()
        call.result(timeout_s=2.5)
        call.result(timeout_s=1e9)
        assert [request.headers["prefer"] for request in server.requests] == ["wait=30", "wait=2", "wait=30"]


def test_a_call_that_goes_on_after_the_timeout_is_a_timeout_and_can_be_asked_again() -> None:
    with call_on(routes({RESULT: pending(1, "well")})) as (call, server):
        with pytest.raises(TimeoutError, match=f"call {CALL} has not ended within 0 s; it goes on"):
            call.result(timeout_s=0)
        assert len(server.requests) == 1
        assert call.result(timeout_s=0) == "well"


@pytest.mark.parametrize(
    "error",
    [
        CallCancelled("cancelled"),
        NotFound(f"no call {CALL}"),
        FunctionError("ZeroDivisionError: x", exception="ZeroDivisionError", message="x"),
    ],
)
def test_what_the_call_ended_with_is_raised(error: Exception) -> None:
    assert isinstance(error, CallCancelled | NotFound | FunctionError)
    with call_on(refusing(error)) as (call, server):
        with pytest.raises(type(error), match=error.detail):
            call.result()
        assert len(server.requests) == 1


def test_what_the_function_raised_is_caught_by_its_type() -> None:
    error = FunctionError("KeyError: 'x'", exception="KeyError")
    with call_on(refusing(error)) as (call, _), pytest.raises(KeyError):
        call.result()


def test_a_server_that_dies_while_it_is_waited_for_is_unavailable_and_the_call_can_be_asked_again() -> None:
    async def dies(request: Request, reply: Reply) -> None:
        if request.connection <= 2:  # a question is asked again once
            reply.break_off()
        else:
            await reply.json("well")

    with call_on(dies) as (call, _):
        with pytest.raises(Unavailable):
            call.result()
        assert call.result() == "well"


def test_state_and_logs_are_told() -> None:
    state = {"state": "WAITING", "attempts": 1}
    table = {f"GET /calls/{CALL}": state, f"GET /calls/{CALL}/logs": {"logs": [{"text": "hello\n"}]}}
    with call_on(routes(table)) as (call, _):
        assert call.status() == state
        assert call.logs() == [{"text": "hello\n"}]


def test_it_is_cancelled_once() -> None:
    async def once(request: Request, reply: Reply) -> None:
        if len(server.requests) == 1:
            await reply.send(204)
        else:
            await reply.problem(Conflict("it has ended"))

    with call_on(once) as (call, server):
        call.cancel()
        assert (server.requests[0].method, server.requests[0].target) == ("DELETE", f"/calls/{CALL}")
        with pytest.raises(Conflict, match="it has ended"):
            call.cancel()


def test_a_replay_is_another_call() -> None:
    with call_on(routes({f"POST /calls/{CALL}/replay": {"call": "c2"}, "GET /calls/c2/result": 5})) as (call, _):
        again = call.replay()
        assert (again.id, call.id) == ("c2", CALL)
        assert again.result() == 5


def test_nothing_is_asked_before_its_first_operation() -> None:
    with call_on(answering({})) as (call, server):
        assert repr(call) == f"<rayfaas.SpawnedCall {CALL}>"
        assert server.requests == []


@pytest.mark.parametrize("call_id", ["", "c1", "../v1/tokens", "01890a5d-ac96-774b-bcce-b302099a8057\r"])
def test_what_is_no_id_is_told_before_anything_is_asked(call_id: str) -> None:
    with ScriptedServer(routes({})) as server, Client(server.url) as client, pytest.raises(BadRequest, match="UUID"):
        client.spawned(call_id)
