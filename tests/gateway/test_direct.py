"""Calls that come whole are answered without the application, and in nothing else differently from those that go
through it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import msgspec
import pytest

from rayfaas.envelope import ErrorHeader, ResultHeader
from rayfaas.errors import FunctionError, InvalidArguments
from rayfaas.frames import Kind
from rayfaas.records import Compared
from rayfaas.wire import VALUE_ACCEPT
from tests.gateway.asgi import Receive, Send
from tests.gateway.controller import version_route
from tests.gateway.disk import full_disk
from tests.gateway.executor import FakeExecutor, ReceivedCall
from tests.gateway.small import SmallGateway
from tests.gateway.sockets import Client, post, served
from tests.waiting import eventually

IVAN = "Authorization: Bearer ivan"
JSON = "Content-Type: application/json"

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
IN_CHUNKS = (
    f"POST /call/embed HTTP/1.1\r\nHost: x\r\n{IVAN}\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n1\r\n0\r\n\r\n".encode()
)


def call(body: bytes = b"1", *headers: str, target: str = "embed", who: str = IVAN) -> bytes:
    return post(f"/call/{target}", body, who, JSON, *headers)


class Served:
    """A gateway over real HTTP; `asked` counts the requests that its application got."""

    def __init__(self, gateway: SmallGateway) -> None:
        self._gateway = gateway
        self.asked = 0

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        self.asked += 1
        await self._gateway.app(scope, receive, send)


@asynccontextmanager
async def connected(gateway: SmallGateway) -> AsyncIterator[tuple[Client, Served]]:
    app = Served(gateway)
    async with served(app, gateway.direct) as port:
        client = await Client.connect(port)
        try:
            yield client, app
        finally:
            await client.close()


async def echoing(gateway: SmallGateway, concurrency: int = 1) -> FakeExecutor:
    executor = await gateway.executor(concurrency=concurrency)
    executor.answers(lambda call: call.returns({"got": call.body.decode()}))
    return executor


async def test_a_call_is_answered_and_recorded_without_the_application(gateway: SmallGateway) -> None:
    executor = await echoing(gateway)
    async with connected(gateway) as (client, app):
        await client.send(call(b'{"x": 1}'))
        answer = await client.answer()
    assert (answer.status, answer.json(), app.asked) == (200, {"got": '{"x": 1}'}, 0)
    (start,) = gateway.starts()
    assert (start.target, start.principal, start.alias, start.bytes_in) == ("embed", "ivan", "live", 8)
    assert (gateway.end_of(start.call).state, gateway.end_of(start.call).bytes_out) == ("SUCCEEDED", len(answer.body))
    assert answer.headers["rayfaas-call-id"] == start.call == executor.received[0].header.call_id
    assert (answer.headers["rayfaas-version"], answer.headers["rayfaas-alias"]) == ("1", "live")
    assert "date" in answer.headers
    assert "queue;dur=" in answer.headers["server-timing"]


@pytest.mark.parametrize(
    "request_",
    [
        call(b"1", "Accept: application/x-ndjson"),
        call(b"1", "Accept: text/html, */*"),
        call(b"1", "Idempotency-Key: k"),
        call(b"1", "Prefer: respond-async"),
        call(b"1", "Rayfaas-Logs: 1"),
        call(b"1", "Connection: close"),
        call(b"1" * (65 << 10)),
        call(b"1", target="embed?x=1"),
        call(b"1", target="%65mbed"),
        call(b"1").replace(b"HTTP/1.1", b"HTTP/1.0").replace(b"\r\n\r\n", b"\r\nConnection: keep-alive\r\n\r\n"),
        b"POST /call/embed HTTP/1.1\r\nHost: x\r\n%b\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n1\r\n0\r\n\r\n"
        % IVAN.encode(),
        b"GET /call/embed HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        HEALTH,
    ],
)
async def test_what_asks_for_more_goes_through_the_application(gateway: SmallGateway, request_: bytes) -> None:
    await echoing(gateway)
    async with connected(gateway) as (client, app):
        await client.send(request_)
        answer = await client.answer()
    assert app.asked == 1
    assert answer.status < 500


@pytest.mark.parametrize("pieces", [1, 7, 40])
@pytest.mark.parametrize("accept", ["*/*", "application/x-ndjson"])  # answered directly, and by the application
async def test_who_asks_for_http_2_is_answered_by_http_1_with_all_of_the_body(
    gateway: SmallGateway, accept: str, pieces: int
) -> None:
    executor = await echoing(gateway)
    asks = (
        "Connection: Upgrade, HTTP2-Settings",
        "Upgrade: h2c",
        "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
    )
    request = call(b'{"x": 1}', f"Accept: {accept}", *asks)
    step = -(-len(request) // pieces)
    async with connected(gateway) as (client, _):
        for _ in range(3):
            for start in range(0, len(request), step):
                await client.send(request[start : start + step])
            assert (await client.answer()).status == 200
        await client.send(request + request)
        assert [(await client.answer()).status for _ in range(2)] == [200, 200]
    assert [each.body for each in executor.received] == [b'{"x": 1}'] * 5


def _has_ended(gateway: SmallGateway, calls: int) -> bool:
    return len(gateway.ends()) == calls


async def test_who_does_not_take_its_answers_gets_no_more_of_them(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    executor.answers(lambda call: call.returns("x" * (8 << 20)))
    async with connected(gateway) as (client, app):
        calls = 0
        while not app.asked:
            calls += 1
            assert calls < 8, "connections hold less than that"
            await client.send(call(b"1"))
            await eventually(partial(_has_ended, gateway, calls))
        for _ in range(calls):
            assert len((await client.answer()).json()) == 8 << 20


async def test_who_asks_first_whether_to_send_the_body_is_told_to(gateway: SmallGateway) -> None:
    await echoing(gateway)
    async with connected(gateway) as (client, _):
        await client.send(post("/call/embed", b"", IVAN, "Expect: 100-continue", length=1))
        assert await client.line() == b"HTTP/1.1 100 Continue\r\n"
        assert await client.line() == b"\r\n"
        await client.send(b"5")
        assert (await client.answer()).json() == {"got": "5"}


async def test_a_body_that_comes_in_pieces_is_waited_for(gateway: SmallGateway) -> None:
    await echoing(gateway)
    async with connected(gateway) as (client, app):
        whole = call(b'"abc"')
        for index in range(0, len(whole), 7):
            await client.send(whole[index : index + 7])
            await asyncio.sleep(0)
        assert (await client.answer()).json() == {"got": '"abc"'}
    assert app.asked == 0


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        (call(target="nobody"), 404, "not_found"),
        (call(target="not..a..target"), 400, "bad_request"),
        (call(who="Authorization: Bearer wrong"), 401, "unauthenticated"),
        (call(who="X: y"), 401, "unauthenticated"),
        (call(who="Authorization: Bearer vera"), 403, "forbidden"),
        (call(b"1", "Rayfaas-Timeout: soon"), 400, "bad_request"),
    ],
)
async def test_a_refusal_is_a_problem_document_and_the_connection_goes_on(
    gateway: SmallGateway, request_: bytes, status: int, code: str
) -> None:
    await echoing(gateway)
    async with connected(gateway) as (client, app):
        await client.send(request_)
        answer = await client.answer()
        assert (answer.status, answer.code, app.asked) == (status, code, 0)
        assert gateway.records() == []
        await client.send(call())
        assert (await client.answer()).status == 200


async def test_errors_of_the_function_are_told_and_recorded(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    async with connected(gateway) as (client, _):
        await client.send(call())
        (await executor.call()).fails(FunctionError("ValueError: no", exception="ValueError", message="no"))
        answer = await client.answer()
        assert (answer.status, answer.code, answer.json()["exception"]) == (500, "function_error", "ValueError")
        assert answer.json()["call"] == gateway.starts()[0].call
        await client.send(call())
        (await executor.call()).fails(InvalidArguments("no", errors=[]))
        assert (await client.answer()).status == 422
    assert [end.state for end in gateway.ends()] == ["FAILED", "REJECTED"]


async def test_a_call_out_of_time_is_told_so(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    async with connected(gateway) as (client, _):
        await client.send(call(b"1", "Rayfaas-Timeout: 0.01"))
        received = await executor.call()
        answer = await client.answer()
        assert (answer.status, answer.code) == (504, "timeout")
        await eventually(lambda: received.cancelled == "timeout")
        received.returns("too late")
        await client.send(call())
        (await executor.call()).returns("in time")
        assert (await client.answer()).json() == "in time"


async def test_a_generator_turns_into_a_stream(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    async with connected(gateway) as (client, app):
        await client.send(call())
        generator = await executor.call()
        generator.yields(1, 2)
        generator.ends(2)
        answer = await client.answer()
        assert answer.lines()[:2] == [{"item": 1}, {"item": 2}]
        assert answer.headers["content-type"] == "application/x-ndjson"
        await client.send(call(b"2", "Accept: application/json"))
        second = await executor.call()
        second.yields(3)
        second.ends(1)
        assert (await client.answer()).json() == [3]
        await client.send(call(b"3"))
        (await executor.call()).returns("plain again")
        assert (await client.answer()).json() == "plain again"
    assert app.asked == 0
    assert [end.items for end in gateway.ends()] == [2, 1, None]


async def test_an_empty_generator_is_an_empty_stream(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    async with connected(gateway) as (client, _):
        await client.send(call(b"2", "Accept: application/json"))
        (await executor.call()).ends(0)
        assert (await client.answer()).json() == []


async def test_a_client_that_goes_cancels_its_call(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    async with served(gateway.app, gateway.direct) as port:
        client = await Client.connect(port)
        await client.send(call())
        received = await executor.call()
        await client.reset()
        await eventually(lambda: received.cancelled)
        await eventually(gateway.ends)
    assert [end.state for end in gateway.ends()] == ["CANCELLED"]


async def test_a_client_that_leaves_a_stream_cancels_it(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    async with served(gateway.app, gateway.direct) as port:
        client = await Client.connect(port)
        await client.send(call())
        received = await executor.call()
        received.yields(1)
        while await client.line() != b"\r\n":
            pass
        await client.reset()
        await eventually(lambda: received.cancelled)
        await eventually(gateway.ends)
    assert [end.state for end in gateway.ends()] == ["CANCELLED"]


async def test_requests_on_one_connection_are_answered_in_order(gateway: SmallGateway) -> None:
    await echoing(gateway)
    async with connected(gateway) as (client, app):
        await client.send(b"".join(call(str(number).encode()) for number in range(20)) + HEALTH)
        answers = [await client.answer() for _ in range(20)]
        assert [answer.json()["got"] for answer in answers] == [str(number) for number in range(20)]
        assert (await client.answer()).body == b"ok\n"
        assert app.asked > 0, "requests that came before the last was answered wait their turn"
        await client.send(call(b"21"))
        assert (await client.answer()).json() == {"got": "21"}


async def test_a_start_is_written_before_its_call_is_sent_and_an_end_before_the_answer(gateway: SmallGateway) -> None:
    executor = await gateway.executor(concurrency=8)
    seen: list[int] = []

    def look(call: ReceivedCall) -> None:
        seen.append(len(gateway.starts()))
        call.returns(None)

    executor.answers(look)
    async with served(gateway.app, gateway.direct) as port:
        clients = [await Client.connect(port) for _ in range(8)]
        for client in clients:
            await client.send(call())
        for client in clients:
            call_id = (await client.answer()).headers["rayfaas-call-id"]
            assert gateway.end_of(call_id).state == "SUCCEEDED"
            await client.close()
    assert [count >= number for number, count in enumerate(seen, 1)] == [True] * 8


# What goes wrong


async def test_a_full_disk_refuses_calls_and_the_next_one_runs(gateway: SmallGateway) -> None:
    executor = await echoing(gateway)
    async with connected(gateway) as (client, _):
        with full_disk():
            await client.send(call())
            answer = await client.answer()
            assert (answer.status, answer.code) == (503, "unavailable")
        assert gateway.recording.in_flight == {}
        await client.send(call())
        assert (await client.answer()).status == 200
    assert len(executor.received) == len(gateway.starts()) == 1


async def test_a_disk_that_fills_up_during_a_call_delays_its_end_only(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    async with connected(gateway) as (client, _):
        await client.send(call())
        received = await executor.call()
        with full_disk():
            received.returns("done")
            assert (await client.answer()).json() == "done"
            assert gateway.ends() == []
        assert gateway.journal.flush_late()
    assert [end.state for end in gateway.ends()] == ["SUCCEEDED"]


async def test_an_answer_that_would_break_out_of_its_header_fails_alone(gateway: SmallGateway) -> None:
    executor = await gateway.executor(concurrency=2)
    async with connected(gateway) as (client, _):
        await client.send(call())
        received = await executor.call()
        header = msgspec.msgpack.encode(ResultHeader("text/plain\r\nSet-Cookie: a=b", 1, 1, 1, 0))
        executor.send(Kind.RESULT, received.number, header, b"x")
        answer = await client.answer()
        assert (answer.status, "set-cookie" in answer.headers) == (500, False)
        await client.send(call())
        (await executor.call()).returns("fine")
        assert (await client.answer()).json() == "fine"
    assert [(end.state, end.code) for end in gateway.ends()] == [("FAILED", "internal"), ("SUCCEEDED", None)]


@pytest.mark.parametrize(
    "problem",
    [
        {},
        {"code": "x", "retryable": False, "status": 7},
        {"status": "no"},
        {"code": "x", "retryable": False, "status": 204},  # which has no body: it would be read as the next answer
        {"code": "x", "retryable": False, "status": 100},
        {"code": ["x"], "retryable": "no", "status": True},
        {"code": "x" * 100, "status": 304},
    ],
)
async def test_an_error_that_is_no_problem_document_fails_alone(gateway: SmallGateway, problem: dict[str, Any]) -> None:
    executor = await gateway.executor(concurrency=2)
    async with connected(gateway) as (client, _):
        await client.send(call())
        received = await executor.call()
        executor.send(Kind.ERROR, received.number, msgspec.msgpack.encode(ErrorHeader(problem, 1, 1, 1, 0)))
        assert (await client.answer()).status == 500
        await client.send(call())
        (await executor.call()).returns("fine")
        assert (await client.answer()).json() == "fine"
    assert [end.state for end in gateway.ends()] == ["FAILED", "SUCCEEDED"]


@pytest.mark.parametrize("name", ["retry_after_s", "rate_limit", "rate_limit_policy"])
async def test_an_error_does_not_break_out_of_its_headers(gateway: SmallGateway, name: str) -> None:
    executor = await gateway.executor()
    told = {"code": "rate_limited", "retryable": True, "status": 429, "rate_limit": "a", "rate_limit_policy": "b"}
    async with connected(gateway) as (client, _):
        await client.send(call())
        received = await executor.call()
        problem = {**told, name: "1\r\nSet-Cookie: a=b\r\n\r\nHTTP/1.1 200 OK"}
        executor.send(Kind.ERROR, received.number, msgspec.msgpack.encode(ErrorHeader(problem, 1, 1, 1, 0)))
        answer = await client.answer()
        assert (answer.status, "set-cookie" in answer.headers, name in answer.json()) == (429, False, False)
        await client.send(call())
        (await executor.call()).returns("fine")
        assert (await client.answer()).json() == "fine"


async def test_a_client_that_goes_as_the_first_item_comes_leaves_nothing(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    async with served(gateway.app, gateway.direct) as port:
        client = await Client.connect(port)
        await client.send(call())
        received = await executor.call()
        await client.reset()
        received.yields(1)
        await eventually(gateway.ends)
        await eventually(lambda: received.cancelled)
    assert gateway.recording.in_flight == {}


async def test_a_full_queue_refuses_at_once(gateway: SmallGateway) -> None:
    gateway.dispatcher._max_queue = 0
    async with connected(gateway) as (client, _):
        await client.send(call())
        answer = await client.answer()
    assert (answer.status, answer.code) == (429, "queue_full")
    assert [end.state for end in gateway.ends()] == ["REJECTED"]


async def test_what_follows_a_call_and_is_not_http_ends_the_connection(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    async with served(gateway.app, gateway.direct) as port:
        client = await Client.connect(port)
        await client.send(call() + b"\x00\x01 nonsense\r\n\r\n")
        await eventually(lambda: executor.received)
        executor.received[0].returns("nobody hears it")
        assert (await client.answer()).status in (200, 400)
        await client.close()
        await eventually(lambda: len(gateway.ends()) == 1)


async def test_a_call_of_what_is_being_replaced_waits_with_its_body(gateway: SmallGateway) -> None:
    versions = [version_route(1), version_route(2)]
    await gateway.controller.set_function("nlp/embed", versions, {"live": (1, 5)}, parked=True)
    executor = await gateway.executor(version=2)
    executor.answers(lambda call: call.returns(json.loads(call.body)))
    async with connected(gateway) as (client, app):
        await client.send(call(b'{"x": 1}') + call(b"2"))
        assert app.asked == 0
        await gateway.controller.set_function("nlp/embed", versions, {"live": (2, 6)})
        answers = [await client.answer(), await client.answer()]
        assert [(each.status, each.json()) for each in answers] == [(200, {"x": 1}), (200, 2)]
        await client.send(call(b"3"))
        assert (await client.answer()).json() == 3
    assert [start.version for start in gateway.starts()] == [2, 2, 2]


async def test_what_the_sdk_accepts_reaches_the_executor_the_short_way(gateway: SmallGateway) -> None:
    executor = await echoing(gateway)
    accepts = [VALUE_ACCEPT, "application/json", "*/*"]
    async with connected(gateway) as (client, app):
        for accept in accepts:
            await client.send(call(b"1", f"Accept: {accept}"))
            assert (await client.answer()).status == 200
        assert app.asked == 0
        await client.send(call(b"1", "Accept: application/msgpack;q=0.5, image/png"))
        assert (await client.answer()).status == 200
        await client.send(post("/call/embed", b"1\n2", IVAN, "Content-Type: application/x-ndjson"))
        assert len((await client.answer()).body.splitlines()) == 2
        assert app.asked == 2
    told = [received.header.accept for received in executor.received]
    assert told[:4] == [VALUE_ACCEPT, "application/json", "", "application/msgpack;q=0.5, image/png"]


async def test_a_split_is_answered_directly_by_the_version_that_its_caller_sticks_to(gateway: SmallGateway) -> None:
    split = {"version": 1, "revision": 7, "arms": [[1, 50.0], [2, 50.0]], "sticky": "header:User-Id"}
    await gateway.controller.set_function("nlp/embed", [version_route(1), version_route(2)], {"live": split})
    for version in (1, 2):
        (await gateway.executor(version)).answers(lambda call: call.returns("it"))
    by_user: dict[int, set[str]] = {}
    async with connected(gateway) as (client, app):
        for number in range(40):
            await client.send(call(b"1", f"User-Id: user{number % 10}"))
            by_user.setdefault(number % 10, set()).add((await client.answer()).headers["rayfaas-version"])
    assert {len(versions) for versions in by_user.values()} == {1}
    assert {version for versions in by_user.values() for version in versions} == {"1", "2"}
    assert app.asked == 0


async def test_a_call_as_of_a_moment_asks_once_and_is_direct_from_then_on(gateway: SmallGateway) -> None:
    gateway.controller.answers["alias_at"] = {"version": 1, "revision": 3}
    await echoing(gateway)
    async with connected(gateway) as (client, app):
        for _ in range(3):
            await client.send(call(b"1", target="embed@prod@2026-11-01T12:00Z"))
            assert (await client.answer()).status == 200
    assert [name for name, _ in gateway.controller.asked] == ["alias_at"]
    assert app.asked == 0
    assert {(start.alias, start.alias_revision, start.version) for start in gateway.starts()} == {("prod", 3, 1)}


async def test_a_shadow_gets_a_copy_of_a_direct_call_after_its_answer(gateway: SmallGateway) -> None:
    shadowed = {"version": 1, "revision": 7, "arms": [[1, 100.0]], "shadow": [2, 100.0]}
    await gateway.controller.set_function("nlp/embed", [version_route(1), version_route(2)], {"live": shadowed})
    await echoing(gateway)
    shadow = await gateway.executor(2)
    async with connected(gateway) as (client, app):
        await client.send(call(b"1"))
        assert (await client.answer()).json() == {"got": "1"}
        copy = await shadow.call()
        copy.returns({"got": "1"})
        await eventually(lambda: any(isinstance(record, Compared) and record.same for record in gateway.records()))
    assert (copy.body, app.asked) == (b"1", 0)
    assert [start.shadow_of for start in gateway.starts()] == [None, gateway.starts()[0].call]
