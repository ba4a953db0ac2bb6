"""A person at a terminal sees what a call waits for; programs see nothing, and nothing is asked for them."""

from __future__ import annotations

import io
import sys

import pytest

from rayfaas import waiting
from rayfaas.config import ClientConfig
from rayfaas.transport import Transport
from rayfaas.waiting import shown
from tests.scripted_server import ScriptedServer, answering
from tests.waiting import eventually

STAGE = {"target": "embed", "event": "node_starting", "awaits": "gpu-1: 1 GPU waits for room"}


class Screen(io.StringIO):
    def __init__(self, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


def screen(monkeypatch: pytest.MonkeyPatch, is_terminal: bool) -> Screen:
    made = Screen(is_terminal)
    monkeypatch.setattr(sys, "stderr", made)
    monkeypatch.setattr(waiting, "QUIET_S", 0.0)
    return made


async def ask_elsewhere(transport: Transport) -> None:
    """Some round trips, each of which is time enough to ask what is waited for."""
    for _ in range(5):
        await transport.get("/v1/whoami")


async def test_a_terminal_shows_a_line_and_clears_it(monkeypatch: pytest.MonkeyPatch) -> None:
    written = screen(monkeypatch, True)
    with ScriptedServer(answering(STAGE)) as server:
        transport = Transport(ClientConfig(server.url, "t"))
        async with shown(transport, "embed"):
            await eventually(lambda: "node starting, gpu-1" in written.getvalue())
        await transport.aclose()
        assert server.requests[0].target == "/v1/waiting?target=embed"
    assert written.getvalue().startswith("\rembed: node starting, gpu-1: 1 GPU waits for room (0 s)")
    assert written.getvalue().endswith(" \r")


async def test_a_program_sees_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    written = screen(monkeypatch, False)
    with ScriptedServer(answering(STAGE)) as server:
        transport = Transport(ClientConfig(server.url, "t"))
        async with shown(transport, "embed"):
            await ask_elsewhere(transport)
        await transport.aclose()
        assert {request.path for request in server.requests} == {"/v1/whoami"}
    assert written.getvalue() == ""


async def test_a_server_that_can_not_say_is_asked_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    written = screen(monkeypatch, True)
    with ScriptedServer(answering({"title": "not found"}, 404)) as server:
        async with shown(transport := Transport(ClientConfig(server.url, "t")), "embed"):
            await eventually(lambda: server.requests)
        await transport.aclose()
    assert written.getvalue() == ""


async def test_of_many_calls_at_once_the_first_has_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    written = screen(monkeypatch, True)
    with ScriptedServer(answering(STAGE)) as server:
        transport = Transport(ClientConfig(server.url, "t"))
        async with shown(transport, "embed"):
            await eventually(lambda: written.getvalue())
            async with shown(transport, "rank"):
                await ask_elsewhere(transport)
        async with shown(transport, "sort"):
            await eventually(lambda: "sort" in written.getvalue())
        await transport.aclose()
    assert "rank" not in written.getvalue()
