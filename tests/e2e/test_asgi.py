"""ASGI applications that functions make: served as they are, bodies and WebSockets flowing both ways."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

import rayfaas
from tests.e2e.conftest import Server, eventually

SITE = """
import asyncio, os
from contextlib import asynccontextmanager
from pathlib import Path
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute
import rayfaas

@rayfaas.asgi()
def site():
    notes = Path(os.environ["NOTES"])

    def note(text):
        with notes.open("a") as file:
            file.write(text + "\\n")

    @asynccontextmanager
    async def lifespan(app):
        note(f"up {os.getpid()}")
        yield {"model": "loaded"}
        note(f"down {os.getpid()}")

    async def seen(request):
        call = rayfaas.current_call()
        return JSONResponse({
            "method": request.method, "path": request.url.path, "link": str(request.url_for("seen", x="2")),
            "query": dict(request.query_params), "model": request.state.model, "caller": call.principal,
            "token": request.headers.get("authorization"), "x": request.path_params["x"],
        })

    async def sizes(request):
        total = 0
        async for chunk in request.stream():
            total += len(chunk)
        return PlainTextResponse(str(total))

    async def shout(request):
        async def chunks():
            async for chunk in request.stream():
                yield chunk.upper()
        return StreamingResponse(chunks())

    async def endless(request):
        asyncio.current_task().add_done_callback(lambda _: note("endless ended"))

        async def chunks():
            for sent in range(1_000_000):
                notes.with_name("sent").write_text(str(sent))
                yield b"x" * 65536
        return StreamingResponse(chunks())

    async def later(request):
        return PlainTextResponse("soon", background=BackgroundTask(note, "in the background"))

    async def fails(request):
        print("about to fail")
        raise ValueError("no such thing")

    async def echo(websocket):
        await websocket.accept(subprotocol="chat" if "chat" in websocket.scope["subprotocols"] else None)
        await websocket.send_json({"path": websocket.url.path, "caller": rayfaas.current_call().principal})
        async for text in websocket.iter_text():
            if text == "end":
                return await websocket.close(4001, "as you wish")
            if text == "fail":
                raise ValueError("as you wish")
            await websocket.send_text(text.upper())
        note("the client closed")

    return Starlette(lifespan=lifespan, routes=[
        Route("/seen/{x}", seen, name="seen", methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]),
        Route("/sizes", sizes, methods=["POST"]), Route("/shout", shout, methods=["POST"]),
        Route("/endless", endless), Route("/later", later), Route("/fails", fails), WebSocketRoute("/echo", echo),
    ])

@rayfaas.function()
def plain() -> str:
    return "plain"
"""

BROKEN = """
import rayfaas

@rayfaas.asgi()
def broken():
    async def app(scope, receive, send):
        assert scope["type"] == "lifespan"
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "the model is not there"})
    return app
"""


@pytest.fixture(scope="module")
def notes(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the application notes down; deploys it."""
    directory = tmp_path_factory.mktemp("site")
    notes = directory / "notes"
    file = directory / "site_.py"
    file.write_text(SITE.replace("@rayfaas.asgi()", f"@rayfaas.asgi(env={{'NOTES': {str(notes)!r}}})"))
    with rayfaas.Client(server.url, server.token) as client:
        client.deploy_file(file)
    return notes


def caller(server: Server) -> str:
    return str(server.http.get("/v1/whoami").json()["principal"])


def test_a_request_reaches_the_application_as_it_is_without_the_callers_token(server: Server, notes: Path) -> None:
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        answer = server.http.request(method, "/app/site/seen/1?q=a&q2=b%20c")
        assert answer.json() == {
            "method": method,
            "path": "/app/site/seen/1",
            "link": f"{server.url}/app/site/seen/2",
            "query": {"q": "a", "q2": "b c"},
            "model": "loaded",
            "caller": caller(server),
            "token": None,
            "x": "1",
        }
    for target in ("default/site", "site:1", "default/site@live"):
        assert server.http.get(f"/app/{target}/seen/1").json()["link"].endswith(f"/app/{target}/seen/2")


def test_each_request_is_a_call(server: Server, notes: Path) -> None:
    answer = server.http.get("/app/site/seen/9", headers={"Rayfaas-Context": '{"prefect": {"flow": "f"}}'})
    row = server.sql(
        "SELECT target, function, state, caller, flow, bytes_out FROM calls WHERE call::VARCHAR = ?",
        answer.headers["rayfaas-call-id"],
    )
    assert row == [["site/seen/9", "default/site", "SUCCEEDED", caller(server), "f", len(answer.content)]]


def test_it_is_made_once_for_each_executor(server: Server, notes: Path) -> None:
    for x in range(20):
        server.http.get(f"/app/site/seen/{x}")
    pids = [line for line in notes.read_text().splitlines() if line.startswith("up ")]
    assert len(pids) == len(set(pids))
    assert len(pids) <= len(server.executors())


def test_large_bodies_flow_both_ways(server: Server, notes: Path) -> None:
    def body() -> Iterator[bytes]:
        for _ in range(256):
            yield b"a" * 65_536

    assert server.http.post("/app/site/sizes", content=body()).text == str(16 << 20)
    assert server.http.post("/app/site/sizes", content=b"a" * (80 << 20)).text == str(80 << 20)
    for _ in range(20):  # while its answer is sent, nobody else may take what its client sends
        assert server.http.post("/app/site/shout", content=b"a" * (1 << 20)).content == b"A" * (1 << 20)


def test_a_client_that_does_not_read_stops_the_application_and_one_that_goes_ends_it(
    server: Server, notes: Path
) -> None:
    with server.http.stream("GET", "/app/site/endless") as answer:
        next(answer.iter_raw())
        call = answer.headers["rayfaas-call-id"]
    eventually(lambda: "endless ended" in notes.read_text(), 20)
    assert int(notes.with_name("sent").read_text()) < 1000, "64 MB went nowhere"
    query = "SELECT state FROM calls WHERE call::VARCHAR = ?"
    eventually(lambda: server.sql(query, call) == [["CANCELLED"]], 10)


def test_work_in_the_background_holds_up_no_answer_and_is_done(server: Server, notes: Path) -> None:
    assert server.http.get("/app/site/later").text == "soon"
    eventually(lambda: "in the background" in notes.read_text(), 10)


def test_an_error_of_the_application_is_its_own_answer_and_told_in_calls_and_logs(server: Server, notes: Path) -> None:
    answer = server.http.get("/app/site/fails")
    assert (answer.status_code, answer.text) == (500, "Internal Server Error")
    call = answer.headers["rayfaas-call-id"]
    query = "SELECT state, code FROM calls WHERE call::VARCHAR = ?"
    assert server.sql(query, call) == [["FAILED", "function_error"]]
    texts = server.sql("SELECT text FROM logs WHERE call::VARCHAR = ? ORDER BY logged_at", call)
    assert texts[0] == ["about to fail\n"]
    assert "ValueError: no such thing" in texts[1][0]


def test_who_may_not_call_may_not_ask_and_what_is_no_application_says_so(server: Server, notes: Path) -> None:
    anonymous = httpx.get(f"{server.url}/app/site/seen/1")
    assert (anonymous.status_code, anonymous.json()["code"]) == (401, "unauthenticated")
    assert server.http.get("/app/nothing/x").json()["code"] == "not_found"
    no_application = server.http.get("/app/plain/")
    assert (no_application.status_code, "no ASGI application" in no_application.text) == (404, True)
    no_function = server.http.post("/call/site", json={})
    assert (no_function.status_code, "below /app/" in no_function.text) == (400, True)


def socket(server: Server, path: str = "echo", token: str | None = None, subprotocol: str = "") -> ClientConnection:
    return connect(
        f"{server.url.replace('http', 'ws')}/app/site/{path}",
        additional_headers={"Authorization": f"Bearer {token or server.token}"},
        subprotocols=[Subprotocol(subprotocol)] if subprotocol else None,
        proxy=None,
        max_size=None,
    )


def test_a_websocket_speaks_both_ways_and_is_a_call(server: Server, notes: Path) -> None:
    with socket(server, subprotocol="chat") as websocket:
        assert websocket.subprotocol == "chat"
        assert json.loads(websocket.recv(20)) == {"path": "/app/site/echo", "caller": caller(server)}
        call = (websocket.response and websocket.response.headers["rayfaas-call-id"]) or ""
        for text in ["a", "", "\N{SNOWMAN}", "x" * (3 << 20)]:
            websocket.send(text)
            assert websocket.recv(20) == text.upper()
        assert server.sql("SELECT state FROM calls WHERE call::VARCHAR = ?", call) == [["RUNNING"]]
    eventually(lambda: server.sql("SELECT state FROM calls WHERE call::VARCHAR = ?", call) == [["SUCCEEDED"]], 10)
    eventually(lambda: "the client closed" in notes.read_text(), 10)


@pytest.mark.parametrize(("word", "code"), [("end", 4001), ("fail", 1011)])
def test_a_websocket_is_closed_as_the_application_says(server: Server, notes: Path, word: str, code: int) -> None:
    with socket(server) as websocket:
        websocket.recv(20)
        websocket.send(word)
        with pytest.raises(ConnectionClosed) as caught:
            websocket.recv(20)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == code


def test_a_websocket_is_refused_as_a_request_is(server: Server, notes: Path) -> None:
    with pytest.raises(InvalidStatus) as caught, socket(server, token="wrong"):
        pass
    assert caught.value.response.status_code == 401
    assert json.loads(caught.value.response.body or b"")["code"] == "unauthenticated"
    with pytest.raises(InvalidStatus) as caught, socket(server, "nowhere"):
        pass
    assert caught.value.response.status_code == 403


def test_a_new_version_takes_over_while_a_websocket_stays_with_the_old_one(server: Server, notes: Path) -> None:
    file = notes.parent / "site_.py"
    with socket(server) as websocket, rayfaas.Client(server.url, server.token) as client:
        websocket.recv(20)
        file.write_text(file.read_text().replace("text.upper()", "text.lower()"))
        client.deploy_file(file)
        with socket(server) as other:
            other.recv(20)
            for each, answer in ((websocket, "ABC"), (other, "abc")):
                each.send("aBc")
                assert each.recv(20) == answer
    eventually(lambda: "down " in notes.read_text(), 20)


def test_an_application_that_does_not_start_is_not_deployed(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "broken_.py"
    file.write_text(BROKEN)
    with rayfaas.Client(server.url, server.token) as client, pytest.raises(rayfaas.RayfaasError) as caught:
        client.deploy_file(file)
    assert caught.value.code == "import_failed"
    assert "the model is not there" in str(caught.value)
