"""Logs that are followed come as lines, and end when the server says so."""

from __future__ import annotations

from typing import Any

import pytest

from rayfaas import Client
from rayfaas.errors import BadRequest, NotFound, Unavailable, to_problem
from tests.scripted_server import Handler, Reply, Request, ScriptedServer, routes, streaming

CALL = "01900000-0000-7000-8000-000000000000"
LINES: list[dict[str, Any]] = [{"log": {"text": "a\n"}}, {"log": {"text": "b\n"}}]


def followed(handler: Handler, **asked: Any) -> list[str]:
    with ScriptedServer(handler) as server, Client(server.url, "rf_x") as client:
        return [line["text"] for line in client.follow(**asked)]


def test_lines_of_a_call_come_until_it_ends() -> None:
    handler = routes({f"GET /calls/{CALL}/logs": streaming(*LINES, {"done": {"state": "SUCCEEDED"}})})
    assert followed(handler, call=CALL) == ["a\n", "b\n"]


def test_what_keeps_the_connection_alive_is_no_line() -> None:
    async def handler(request: Request, reply: Reply) -> None:
        await reply.begin()
        await reply.chunk(b"\n")
        await reply.events(*LINES)
        await reply.chunk(b"\n")
        await reply.events({"done": {}})
        await reply.end()

    assert followed(handler, call=CALL) == ["a\n", "b\n"]


def test_lines_of_a_function_begin_with_the_newest() -> None:
    async def handler(request: Request, reply: Reply) -> None:
        assert (request.headers["accept"], request.query) == (
            "application/x-ndjson",
            {"function": ["nlp/embed"], "limit": ["7"]},
        )
        await streaming({"done": {}})(request, reply)

    assert followed(routes({"GET /v1/logs": handler}), function="nlp/embed", lines=7) == []


def test_what_breaks_off_or_fails_says_so() -> None:
    with pytest.raises(Unavailable, match="broke off"):
        followed(streaming(*LINES))
    with pytest.raises(Unavailable, match="ends"):
        followed(streaming({"error": to_problem(Unavailable("The gateway ends."))}))
    with pytest.raises(NotFound):
        followed(routes({}), call=CALL)
    with pytest.raises(BadRequest, match="is no call's id"):
        followed(routes({}), call="../v1/tokens")


async def test_a_spawned_call_is_followed_with_async_for() -> None:
    handler = routes({f"GET /calls/{CALL}/logs": streaming(*LINES, {"done": {}})})
    with ScriptedServer(handler) as server, Client(server.url, "rf_x") as client:
        assert [line["text"] async for line in client.spawned(CALL).follow()] == ["a\n", "b\n"]
