"""An ASGI application in an executor: made once, with its lifespan, and fed as fast as it and its client take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from rayfaas.asgi_events import INPUT_CREDIT, OUTPUT_CREDIT, SCOPE, Event, decode_event, encode_event
from rayfaas.envelope import CallHeader, ErrorHeader, ResultHeader
from rayfaas.errors import BadRequest, ImportFailed, UnsupportedMediaType
from rayfaas.frames import Kind, Message
from rayfaas.names import new_id
from tests.executor.gateway import DEADLINE, Call
from tests.executor.replica import Replica, Version
from tests.waiting import eventually

_encode = msgspec.msgpack.encode


class Request(Call):
    """A request under way, as the gateway sees it."""

    def __init__(self, version: Version, scope: Mapping[str, Any] | None = None, credit: int = OUTPUT_CREDIT) -> None:
        call_id = new_id()
        header = CallHeader(call_id, call_id, None, SCOPE, "alice", "research", DEADLINE, credit)
        number = next(version.executor._numbers)
        super().__init__(version.executor, number, header)
        self.events: list[Event] = []
        self.granted = 0
        version.executor._calls[number] = self
        scope = {"type": "http", "path": "/app/f/", "method": "GET", "headers": [], **(scope or {})}
        version.executor.send(Kind.OPEN, number, _encode(header), _encode(scope))

    def sends(self, event: Mapping[str, Any]) -> None:
        self.executor.send(Kind.INPUT, self.number, *encode_event(event))

    def hear(self, message: Message) -> None:
        if message.kind == Kind.ITEM:
            self.events.append(decode_event(message.header, message.body))
        elif message.kind == Kind.CREDIT:
            self.granted += msgspec.msgpack.decode(message.header)[0]
        else:
            super().hear(message)

    async def answer(self) -> tuple[int, bytes]:
        assert isinstance(await self.ended(), ResultHeader)
        start, *bodies = self.events
        return start["status"], b"".join(body.get("body", b"") for body in bodies)


APP = """
import sys
import rayfaas

@rayfaas.asgi()
def f():
    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            return
        await {0}(scope, receive, send)
    return app

async def answer(send, status, body, more=False):
    await send({{"type": "http.response.start", "status": status, "headers": []}})
    await send({{"type": "http.response.body", "body": body, "more_body": more}})

"""


async def deploy(replica: Replica, body: str, **options: Any) -> Version:
    """An application whose requests are served by `serve`, which the body defines."""
    return await replica.deploy(APP.format("serve") + body, concurrency=100, **options)


async def test_a_request_is_answered_and_ends_with_its_answer(replica: Replica) -> None:
    version = await deploy(
        replica,
        """
async def serve(scope, receive, send):
    call = rayfaas.current_call()
    await answer(send, 201, f"{scope['path']} {call.principal}".encode())
    print("later")
    assert (await receive())["type"] == "http.disconnect"
""",
    )
    assert version.imported.interface["kind"] == "asgi"
    request = Request(version)
    assert await request.answer() == (201, b"/app/f/ alice")
    assert request.output() == "", "what is done after the answer is no part of the call"


async def test_it_hears_its_client_as_fast_as_it_takes(replica: Replica) -> None:
    version = await deploy(
        replica,
        """
async def serve(scope, receive, send):
    print("begun", flush=True)
    size, more = 0, True
    while more:
        event = await receive()
        size, more = size + len(event["body"]), event["more_body"]
    await answer(send, 200, str(size).encode())
""",
    )
    request = Request(version)
    await request.until("begun")
    assert request.granted == INPUT_CREDIT
    for _ in range(INPUT_CREDIT):
        request.sends({"type": "http.request", "body": b"x" * 10, "more_body": True})
    await eventually(lambda: request.granted == 2 * INPUT_CREDIT)
    request.sends({"type": "http.request", "body": b"", "more_body": False})
    assert await request.answer() == (200, str(10 * INPUT_CREDIT).encode())


async def test_it_sends_no_more_than_its_client_takes(replica: Replica) -> None:
    version = await deploy(
        replica,
        """
async def serve(scope, receive, send):
    await answer(send, 200, bytes(1 << 20))
""",
    )
    request = Request(version, credit=3)
    await eventually(lambda: len(request.events) == 3)
    other = Request(version)
    await eventually(lambda: len(other.events) == OUTPUT_CREDIT)  # the first one holds up nobody
    assert len(request.events) == 3
    for each in (request, other):
        each.grant(100)
        assert await each.answer() == (200, bytes(1 << 20))


async def test_sending_to_a_client_that_is_gone_raises_and_is_no_error(replica: Replica) -> None:
    version = await deploy(
        replica,
        """
async def serve(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    try:
        while True:
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
    except OSError as error:
        print("gone", flush=True)
        raise RuntimeError("as frameworks do")
""",
    )
    request = Request(version)
    await eventually(lambda: len(request.events) == OUTPUT_CREDIT)
    request.sends({"type": "http.disconnect"})
    await request.until("gone")
    assert isinstance(await request.ended(), ResultHeader)


async def test_an_exception_before_the_answer_is_the_calls_error(replica: Replica) -> None:
    version = await deploy(replica, "async def serve(scope, receive, send):\n    raise ValueError('no')\n")
    error = await Request(version).error()
    assert (error.code, error.extra["exception"]) == ("function_error", "ValueError")


async def test_an_exception_that_the_application_answered_itself_is_in_the_log(replica: Replica) -> None:
    version = await deploy(
        replica,
        """
async def serve(scope, receive, send):
    await answer(send, 500, b"sorry")
    raise ValueError("no")
""",
    )
    request = Request(version)
    assert await request.answer() == (500, b"sorry")
    assert "ValueError: no" in request.output("stderr")


async def test_a_cancelled_request_ends_and_the_others_go_on(replica: Replica) -> None:
    version = await deploy(
        replica,
        """
import threading, asyncio
free = threading.Event()

async def serve(scope, receive, send):
    if scope["path"] == "/free":
        free.set()
    else:
        print("begun", flush=True)
        await asyncio.shield(asyncio.to_thread(free.wait))
    await answer(send, 200, b"ok")
""",
    )
    stuck, other = Request(version), Request(version)
    for request in (stuck, other):
        await request.until("begun")
    stuck.cancel()
    assert isinstance(await stuck.ended(), ErrorHeader)
    assert await Request(version, {"path": "/free"}).answer() == (200, b"ok")
    assert await other.answer() == (200, b"ok")


async def test_its_lifespan_is_its_executors(replica: Replica, tmp_path: Any) -> None:
    notes = tmp_path / "notes"
    version = await replica.deploy(
        f"""
import rayfaas
from pathlib import Path

@rayfaas.asgi()
async def f():
    notes = Path({str(notes)!r})

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            await receive()
            scope["state"]["model"] = "loaded"
            notes.write_text("up")
            await send({{"type": "lifespan.startup.complete"}})
            await receive()
            notes.write_text("down")
            await send({{"type": "lifespan.shutdown.complete"}})
            return
        await send({{"type": "http.response.start", "status": 200, "headers": []}})
        await send({{"type": "http.response.body", "body": scope["state"]["model"].encode()}})

    return app
"""
    )
    assert notes.read_text() == "up"
    for _ in range(3):
        assert await Request(version).answer() == (200, b"loaded")
    replica.supervisor.drain(version.order.key)
    await eventually(lambda: notes.read_text() == "down")


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("raise ValueError('no model')", "no model"),
        ("return 7", "int, which is no ASGI application"),
    ],
)
async def test_what_makes_no_application_is_not_deployed(replica: Replica, body: str, told: str) -> None:
    with pytest.raises(ImportFailed, match=told):
        await replica.deploy(f"import rayfaas\n@rayfaas.asgi()\ndef f():\n    {body}\n")


async def test_an_application_is_no_function_and_a_function_no_application(replica: Replica) -> None:
    application = await deploy(replica, "async def serve(scope, receive, send): ...\n")
    assert isinstance(await application.call().error(), BadRequest)
    function = await replica.deploy("def f(x=1):\n    return x\n")
    assert isinstance(await Request(function).error(), UnsupportedMediaType)
    assert await function.call().value() == 1
