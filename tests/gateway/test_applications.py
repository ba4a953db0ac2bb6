"""Requests and WebSockets below /app/: whom they reach, what of them does, and how each ends as a call."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
import uvicorn
from uvicorn.server import ServerState
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from rayfaas.asgi_events import INPUT_CREDIT, OUTPUT_CREDIT, Event, decode_event, decode_scope, encode_event
from rayfaas.envelope import CreditHeader, ResultHeader
from rayfaas.errors import FunctionError, UnsupportedMediaType
from rayfaas.frames import Kind, Message
from rayfaas.gateway import applications
from rayfaas.gateway.heads import Heads
from rayfaas.gateway.http import CallProtocol
from rayfaas.records import CallEnded
from tests.gateway.asgi import Exchange
from tests.gateway.controller import token_route, version_route
from tests.gateway.executor import STARTED_US, FakeExecutor, ReceivedCall
from tests.gateway.small import SmallGateway
from tests.waiting import eventually

_encode = msgspec.msgpack.encode


class Application:
    """The application's side of one exchange, at an executor."""

    def __init__(self, executor: AppExecutor, call: ReceivedCall) -> None:
        self._executor, self.call = executor, call
        self.scope = decode_scope(call.body, {})
        self.heard: asyncio.Queue[Event] = executor.inputs.setdefault(call.number, asyncio.Queue())

    def takes(self, events: int = INPUT_CREDIT) -> None:
        self._executor.send(Kind.CREDIT, self.call.number, _encode(CreditHeader(events)))

    async def hears(self) -> Event:
        return await asyncio.wait_for(self.heard.get(), 20)

    def says(self, *events: Mapping[str, Any]) -> None:
        for event in events:
            self._executor.send(Kind.ITEM, self.call.number, *encode_event(event))

    def ends(self) -> None:
        self._executor.send(Kind.RESULT, self.call.number, _encode(ResultHeader("", STARTED_US, 50_000, 0, 0)))

    def answers(self, status: int = 200, body: bytes = b"hello") -> None:
        self.says(start(status), {"type": "http.response.body", "body": body, "more_body": False})
        self.ends()


class AppExecutor(FakeExecutor):
    """Keeps what clients sent, by call."""

    inputs: dict[int, asyncio.Queue[Event]]

    def on_message(self, message: Message) -> None:
        if message.kind == Kind.OPEN:
            self._take(ReceivedCall(self, message))
        elif message.kind == Kind.INPUT:
            queue = self.inputs.setdefault(message.call, asyncio.Queue())
            queue.put_nowait(decode_event(message.header, message.body))
        else:
            super().on_message(message)


def start(status: int = 200) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain")]}


async def executor_of(gateway: SmallGateway, function: str = "nlp/embed") -> AppExecutor:
    executor = await gateway.executor(concurrency=10, function=function)
    executor.__class__ = AppExecutor
    assert isinstance(executor, AppExecutor)
    executor.inputs = {}
    return executor


async def opened(executor: AppExecutor) -> Application:
    return Application(executor, await executor.call())


def get(gateway: SmallGateway, path: str = "embed/items", who: str | None = "ivan", **headers: str) -> Exchange:
    return gateway.request("GET", f"/app/{path}", b"", who, headers)


async def test_a_request_reaches_the_application_without_the_callers_token(gateway: SmallGateway) -> None:
    executor = await executor_of(gateway)
    request = get(gateway, "embed/items?q=1", Cookie="a=b")
    application = await opened(executor)
    scope = application.scope
    assert (scope["path"], scope["root_path"], scope["query_string"]) == ("/app/embed/items", "/app/embed", b"q=1")
    names = dict(scope["headers"])
    assert names[b"cookie"] == b"a=b"
    assert b"authorization" not in names
    assert (application.call.header.principal, application.call.header.team) == ("ivan", "nlp")
    application.answers()
    answer = await request.answer()
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, b"hello", "text/plain")
    assert answer.headers["rayfaas-call-id"] == application.call.header.call_id


async def test_it_is_recorded_as_a_call_before_its_last_byte(gateway: SmallGateway) -> None:
    executor = await executor_of(gateway)
    request = get(gateway, Rayfaas_Context="unused")
    application = await opened(executor)
    application.says(start(), {"type": "http.response.body", "body": b"first", "more_body": True})
    assert await request.piece() == b"first"
    assert gateway.ends() == []
    request.reads.clear()
    application.says({"type": "http.response.body", "body": b"last", "more_body": False})
    application.ends()
    await eventually(gateway.ends)
    request.reads.set()
    assert (await request.answer()).body == b"firstlast"
    (begun,) = gateway.starts()
    (end,) = gateway.ends()
    assert (begun.target, begun.function) == ("embed/items", "nlp/embed")
    assert (end.state, end.bytes_out, end.run_us) == ("SUCCEEDED", 9, 50_000)


@pytest.mark.parametrize(
    ("who", "path", "root"),
    [
        ("ivan", "embed/x", "/app/embed"),
        ("ivan", "embed@prod/x", None),
        ("ivan", "embed:1/x", "/app/embed:1"),
        ("ivan", "nlp/embed/x", "/app/nlp/embed"),
        ("otto", "nlp/embed@live/x", "/app/nlp/embed@live"),
        ("otto", "embed/x", None),
    ],
)
async def test_the_path_says_which_application_it_is(
    gateway: SmallGateway, who: str, path: str, root: str | None
) -> None:
    executor = await executor_of(gateway)
    request = get(gateway, path, who, **({} if root else {"Rayfaas-Timeout": "0.05"}))
    if root is None:
        assert (await request.answer()).status in (404, 503)
        return
    application = await opened(executor)
    assert (application.scope["root_path"], application.scope["path"]) == (root, f"/app/{path}")
    application.answers()
    await request.answer()


async def test_a_function_of_ones_own_team_comes_before_another_team_of_that_name(gateway: SmallGateway) -> None:
    await gateway.controller.set_function("nlp/vision", [version_route(1)], {"live": (1, 1)})
    await gateway.controller.set_function("vision/web", [version_route(1)], {"live": (1, 1)})
    await eventually(lambda: ("nlp", "vision") in gateway.routes._functions)
    executor = await executor_of(gateway, "nlp/vision")
    request = get(gateway, "vision/web/x")
    application = await opened(executor)
    assert application.scope["root_path"] == "/app/vision"
    application.answers()
    await request.answer()


@pytest.mark.parametrize(
    ("who", "path", "status"), [(None, "embed/", 401), ("nobody", "embed/", 401), ("vera", "embed/", 403),
    ("ivan", "none/", 404), ("ivan", "", 400), ("ivan", "no such/x", 400)],
)  # fmt: skip
async def test_who_may_not_is_refused_and_no_call_is_made(
    gateway: SmallGateway, who: str | None, path: str, status: int
) -> None:
    assert (await get(gateway, path, who).answer()).status == status
    assert gateway.records() == []


async def test_the_body_is_sent_as_fast_as_the_application_takes_it(gateway: SmallGateway) -> None:
    executor = await executor_of(gateway)
    request = gateway.request("POST", "/app/embed/", [bytes([n]) for n in range(5)])
    application = await opened(executor)
    assert application.heard.empty(), "nothing is sent before it is taken"
    application.takes(2)
    assert [(await application.hears())["body"] for _ in range(2)] == [b"\x00", b"\x01"]
    await executor.drain()
    assert application.heard.empty()
    application.takes(10)
    events = [await application.hears() for _ in range(3)]
    assert [(event["body"], event["more_body"]) for event in events] == [
        (b"\x02", True), (b"\x03", True), (b"\x04", False),
    ]  # fmt: skip
    application.answers()
    await request.answer()


async def test_a_client_that_does_not_read_stops_the_application(gateway: SmallGateway) -> None:
    executor = await executor_of(gateway)
    request = get(gateway)
    application = await opened(executor)
    request.reads.clear()
    piece = {"type": "http.response.body", "body": b"x", "more_body": True}
    application.says(start(), *[piece] * (OUTPUT_CREDIT - 1))
    await eventually(lambda: request.has_answer)
    assert application.call.credit == OUTPUT_CREDIT
    request.reads.set()
    await eventually(lambda: application.call.credit > OUTPUT_CREDIT)
    application.says({**piece, "more_body": False})
    application.ends()
    assert (await request.answer()).body == b"x" * OUTPUT_CREDIT


async def test_an_application_hears_that_its_client_went_and_may_end(gateway: SmallGateway) -> None:
    executor = await executor_of(gateway)
    request = get(gateway)
    application = await opened(executor)
    application.says(start())
    await eventually(lambda: request.has_answer)
    request.leave()
    assert (await application.hears())["type"] == "http.disconnect"
    (end,) = await eventually(gateway.ends)
    assert end.state == "CANCELLED"
    assert application.call.cancelled is None
    application.ends()
    await request.left()


async def test_one_that_goes_on_for_nobody_is_interrupted(
    gateway: SmallGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applications.AppExchange.__init__, "__defaults__", (0.01,))
    executor = await executor_of(gateway)
    request = get(gateway)
    application = await opened(executor)
    request.leave()
    await eventually(lambda: application.call.cancelled)
    await request.left()


@pytest.mark.parametrize(("status", "state"), [(200, "SUCCEEDED"), (404, "SUCCEEDED"), (500, "FAILED")])
async def test_an_answer_of_500_and_more_is_a_failed_call(gateway: SmallGateway, status: int, state: str) -> None:
    executor = await executor_of(gateway)
    request = get(gateway)
    (await opened(executor)).answers(status)
    assert (await request.answer()).status == status
    assert [end.state for end in gateway.ends()] == [state]


async def test_an_exception_is_a_problem_where_no_answer_has_begun(gateway: SmallGateway) -> None:
    executor = await executor_of(gateway)
    request = get(gateway)
    (await opened(executor)).call.fails(FunctionError("ValueError: no", exception="ValueError"))
    answer = await request.answer()
    assert (answer.status, answer.code) == (500, "function_error")
    assert [(end.state, end.code) for end in gateway.ends()] == [("FAILED", "function_error")]


async def test_an_exception_cuts_off_an_answer_that_has_begun(gateway: SmallGateway) -> None:
    executor = await executor_of(gateway)
    request = get(gateway)
    application = await opened(executor)
    application.says(start(), {"type": "http.response.body", "body": b"half", "more_body": True})
    assert await request.piece() == b"half"
    application.call.fails(FunctionError("ValueError: no"))
    await asyncio.wait_for(request.task, 20)
    with pytest.raises(AssertionError, match="no end"):
        await request.answer()
    assert [end.state for end in gateway.ends()] == ["FAILED"]


@pytest.mark.parametrize(
    "event",
    [
        {"type": "http.response.body", "body": b"x"},
        {"type": "http.response.body", "body": b"x", "more_body": True},
        {"type": "http.response.start"},
        {"type": "http.response.start", "status": 99},
        {"type": "http.response.start", "status": 1000},
        {"type": "http.response.start", "status": "200"},
        {"type": "http.response.start", "status": 200, "headers": [(b"a b", b"c")]},
        {"type": "http.response.start", "status": 200, "headers": [(b"a", b"b\r\nc: d")]},
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"-1")]},
        {"type": "nonsense"},
    ],
    ids=str,
)
async def test_what_is_no_answer_is_502_where_none_has_begun(gateway: SmallGateway, event: dict[str, Any]) -> None:
    executor = await executor_of(gateway)
    request = get(gateway)
    application = await opened(executor)
    application.says(event)
    application.ends()
    answer = await request.answer()
    assert (answer.status, answer.code) == (502, "bad_answer")
    assert [(end.state, end.code) for end in gateway.ends()] == [("FAILED", "bad_answer")]


async def test_no_answer_at_all_is_502(gateway: SmallGateway) -> None:
    executor = await executor_of(gateway)
    request = get(gateway)
    (await opened(executor)).ends()
    answer = await request.answer()
    assert (answer.status, answer.code) == (502, "bad_answer")
    assert [end.state for end in gateway.ends()] == ["FAILED"]


async def test_a_second_start_cuts_off_the_first_answer(gateway: SmallGateway) -> None:
    executor = await executor_of(gateway)
    request = get(gateway)
    (await opened(executor)).says(start(), start())
    await asyncio.wait_for(request.task, 20)
    assert [(end.state, end.code) for end in gateway.ends()] == [("FAILED", "bad_answer")]


async def test_what_is_no_application_says_so(gateway: SmallGateway) -> None:
    executor = await executor_of(gateway)
    request = get(gateway)
    (await opened(executor)).call.fails(UnsupportedMediaType("not understood"), started_us=0)
    answer = await request.answer()
    assert (answer.status, answer.code) == (404, "not_found")
    assert "POST /call/nlp/embed" in answer.json()["detail"]


async def test_an_executor_that_says_what_is_no_event_fails_its_call_alone(gateway: SmallGateway) -> None:
    executor = await executor_of(gateway)
    broken, whole = get(gateway), get(gateway)
    first, second = await opened(executor), await opened(executor)
    executor.send(Kind.ITEM, first.call.number, b"\xc1", b"")
    assert (await broken.answer()).status == 502
    second.answers()
    assert (await whole.answer()).status == 200


async def test_an_executor_that_dies_fails_what_it_served(gateway: SmallGateway) -> None:
    executor = await executor_of(gateway)
    request = get(gateway)
    await opened(executor)
    await executor.die()
    assert (await request.answer()).code == "node_lost"


# WebSockets


@asynccontextmanager
async def served(gateway: SmallGateway) -> AsyncIterator[str]:
    """The gateway over a real socket."""
    config = uvicorn.Config(gateway.app, ws="websockets-sansio", lifespan="off", log_config=None)
    config.load()
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: CallProtocol(gateway.direct, Heads(), config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()
    await eventually(lambda: not state.connections)
    if state.tasks:
        await asyncio.wait(state.tasks, timeout=20)
    await server.wait_closed()


def dial(url: str, who: str = "ivan", path: str = "/app/embed/chat") -> connect:
    return connect(f"{url}{path}", additional_headers={"Authorization": f"Bearer {who}"}, proxy=None)


async def accepted(executor: AppExecutor, dialling: connect) -> tuple[Application, ClientConnection]:
    connecting = asyncio.ensure_future(dialling.__aenter__())
    application = await opened(executor)
    application.takes()
    assert (await application.hears())["type"] == "websocket.connect"
    application.says({"type": "websocket.accept", "subprotocol": None, "headers": []})
    return application, await connecting


async def test_a_websocket_speaks_both_ways_and_is_one_call(gateway: SmallGateway) -> None:
    executor = await executor_of(gateway)
    async with served(gateway) as url:
        application, websocket = await accepted(executor, dial(url))
        assert (application.scope["type"], application.scope["root_path"]) == ("websocket", "/app/embed")
        await websocket.send("to it")
        await websocket.send(b"\x00")
        assert [await application.hears() for _ in range(2)] == [
            {"type": "websocket.receive", "text": "to it"}, {"type": "websocket.receive", "bytes": b"\x00"},
        ]  # fmt: skip
        application.says({"type": "websocket.send", "text": "from it"})
        assert await websocket.recv() == "from it"
        await websocket.close(4000)
        assert (await application.hears())["code"] == 4000
        application.ends()
        (end,) = await eventually(gateway.ends)
        assert (end.call, end.state) == (application.call.header.call_id, "SUCCEEDED")


async def test_one_that_goes_on_after_its_websocket_is_interrupted(
    gateway: SmallGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applications.AppExchange.__init__, "__defaults__", (0.01,))
    executor = await executor_of(gateway)
    async with served(gateway) as url:
        application, websocket = await accepted(executor, dial(url))
        await websocket.close()
        assert (await application.hears())["type"] == "websocket.disconnect"
        await eventually(lambda: application.call.cancelled)
        assert gateway.end_of(application.call.header.call_id).state == "CANCELLED"


async def test_a_websocket_whose_client_goes_before_an_executor_is_there_waits_no_more(gateway: SmallGateway) -> None:
    async with served(gateway) as url:
        connecting = asyncio.ensure_future(dial(url).__aenter__())
        await eventually(gateway.starts)
        connecting.cancel()
        (end,) = await eventually(gateway.ends)
        assert end.state == "CANCELLED"
        assert gateway.dispatcher.load() == {}


@pytest.mark.parametrize("how", ["returns", "raises", "closes"])
async def test_the_application_ends_its_websocket(gateway: SmallGateway, how: str) -> None:
    executor = await executor_of(gateway)
    async with served(gateway) as url:
        application, websocket = await accepted(executor, dial(url))
        if how == "raises":
            application.call.fails(FunctionError("ValueError: no"))
        else:
            if how == "closes":
                application.says({"type": "websocket.close", "code": 4001, "reason": "enough"})
            application.ends()
        with pytest.raises(ConnectionClosed) as caught:
            await websocket.recv()
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == {"returns": 1000, "raises": 1011, "closes": 4001}[how]
        (end,) = await eventually(gateway.ends)
        assert isinstance(end, CallEnded)
        assert end.state == ("FAILED" if how == "raises" else "SUCCEEDED")


@pytest.mark.parametrize(
    ("who", "path", "status"),
    [("nobody", "/app/embed/", 401), ("vera", "/app/embed/", 403), ("ivan", "/app/none/", 404), ("ivan", "/x", 403)],
)
async def test_a_websocket_that_may_not_be_is_refused(gateway: SmallGateway, who: str, path: str, status: int) -> None:
    async with served(gateway) as url:
        with pytest.raises(InvalidStatus) as caught:
            async with dial(url, who, path):
                pass
    assert caught.value.response.status_code == status
    assert gateway.records() == []


@pytest.mark.parametrize("how", ["revoked", "expired", "demoted", "closed"])
async def test_a_websocket_is_closed_when_who_opened_it_may_no_more(gateway: SmallGateway, how: str) -> None:
    tokens, table = gateway.controller.set_tokens, gateway.controller.table
    executor = await executor_of(gateway)
    await tokens(("ivan", "ads", "invoker"))
    async with served(gateway) as url:
        application, websocket = await accepted(executor, dial(url, path="/app/nlp/embed/chat"))
        await gateway.controller.set_function("nlp/embed", [version_route(1)], {"live": (1, 8)})
        application.says({"type": "websocket.send", "text": "still"})
        assert await websocket.recv() == "still"
        if how == "revoked":
            await tokens()
        elif how == "expired":
            soon = token_route("ivan", "ads", "invoker", time.time() + 0.05)
            await table.applied(await table.set_tokens([soon]))
        elif how == "demoted":
            await tokens(("ivan", "ads", "viewer"))
        else:
            await gateway.controller.set_function("nlp/embed", [version_route(1)], {"live": (1, 9)}, teams=["nlp"])
        with pytest.raises(ConnectionClosed) as caught:
            await websocket.recv()
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1008
        await eventually(lambda: application.call.cancelled)
        (end,) = await eventually(gateway.ends)
        assert end.state in ("FAILED", "REJECTED")
