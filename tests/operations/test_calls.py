"""Calls as a client makes them."""

from __future__ import annotations

import asyncio
import sys

import pytest

from rayfaas import waiting
from tests.operations.connected import connected
from tests.scripted_server import Reply, Request
from tests.test_waiting import Screen


def test_who_calls_from_a_terminal_sees_what_the_call_waits_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Screen(True))
    monkeypatch.setattr(waiting, "QUIET_S", 0.0)
    asked = asyncio.Event()

    async def stage(request: Request, reply: Reply) -> None:
        await reply.json({"event": "node_starting", "awaits": "gpu-1"})
        asked.set()

    async def answer(request: Request, reply: Reply) -> None:
        await asyncio.wait_for(asked.wait(), 20)
        await reply.json(7)

    with connected({"GET /v1/waiting": stage, "POST /call/embed": answer}) as (client, server):
        assert client.answer("embed", (1,), {}) == 7
        assert {request.path for request in server.requests} == {"/v1/waiting", "/call/embed"}
