"""Talking with a call: its output as it is written, its urgency, who is told of its end, and a debugger in it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import rayfaas
from tests.e2e.conftest import Server, eventually
from tests.scripted_server import Reply, Request, ScriptedServer

TALK = """
import time
import rayfaas

@rayfaas.function()
def waits_for(path: str) -> str:
    print("began")
    while not rayfaas_file(path):
        time.sleep(0.01)
    print("ends")
    return "done"

def rayfaas_file(path):
    import os
    return os.path.exists(path)

@rayfaas.function()
def adds(x: int) -> int:
    y = x + 1
    breakpoint()
    return y * 2

@rayfaas.function()
def fails() -> None:
    raise ValueError("no")
"""


@pytest.fixture
def client(server: Server) -> Iterator[rayfaas.Client]:
    with rayfaas.Client(server.url, server.token) as client:
        yield client


@pytest.fixture(autouse=True)
def talk(write: Callable[[str, str], Path], client: rayfaas.Client) -> None:
    client.deploy_file(write("talk.py", TALK))


def test_output_appears_while_the_function_runs(client: rayfaas.Client, tmp_path: Path) -> None:
    file = tmp_path / "go"
    heard: list[str] = []

    def hear(line: dict[str, Any]) -> None:
        heard.append(line["text"])
        if line["text"] == "began\n":
            file.touch()  # the function returns only when its first line was heard

    waits_for = rayfaas.get("waits_for", timeout_s=60).with_options(client=client, on_log=hear)
    assert waits_for.remote(str(file)) == "done"
    assert heard == ["began\n", "ends\n"]


def test_a_spawned_call_is_followed_to_its_end(client: rayfaas.Client, server: Server, tmp_path: Path) -> None:
    file = tmp_path / "go"
    call = rayfaas.get("waits_for").with_options(client=client).spawn(str(file))
    followed = []
    for line in call.follow():
        followed.append(line["text"])
        file.touch()
    assert followed == ["began\n", "ends\n"]
    again = server.rayfaas("logs", call.id, "-f")
    assert (again.returncode, len(again.stdout.splitlines())) == (0, 2)
    events = server.http.get(f"/calls/{call.id}/logs", headers={"Accept": "text/event-stream"}).text
    assert (events.count("event: log"), events.count("event: done")) == (2, 1)


def test_the_end_of_a_spawned_call_is_told_and_signed(client: rayfaas.Client, server: Server) -> None:
    async def hear(request: Request, reply: Reply) -> None:
        await reply.send(204)

    with ScriptedServer(hear) as receiver:
        call = rayfaas.get("fails").with_options(client=client, webhook=receiver.url, priority="high").spawn()
        eventually(lambda: receiver.requests)
    request = receiver.requests[0]
    data = request.json()["data"]
    assert (data["call"], data["state"], data["code"]) == (call.id, "FAILED", "function_error")
    key = base64.b64decode(server.rayfaas("webhook", "secret").stdout.strip().removeprefix("whsec_"))
    signed = f"{call.id}.{request.headers['webhook-timestamp']}.".encode() + request.body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert request.headers["webhook-signature"] == f"v1,{expected}"
    told = "SELECT priority, webhook_state FROM spawned WHERE call = ?"
    eventually(lambda: server.sql(told, call.id) == [[5, "DELIVERED"]])


def test_a_webhook_into_the_own_network_is_refused(server: Server) -> None:
    headers = {"Prefer": "respond-async", "Rayfaas-Webhook": "http://169.254.169.254/latest"}
    assert server.http.post("/call/fails", headers=headers).status_code == 403


def test_a_breakpoint_stops_in_the_callers_terminal(server: Server) -> None:
    command = [sys.executable, "-m", "rayfaas", "call", "adds", "1", "--debug"]
    typed = "p 'y', y\ny = 20\ncontinue\n"
    ended = subprocess.run(command, input=typed, capture_output=True, text=True, env=server.environ, timeout=100)
    assert (ended.returncode, ended.stdout) == (0, "40\n"), ended.stderr
    assert "('y', 2)" in ended.stderr
    assert "-> return y * 2" in ended.stderr


def test_without_a_debugger_a_breakpoint_is_passed_with_a_word(server: Server) -> None:
    ended = server.rayfaas("call", "adds", "1", "-f")
    assert (ended.returncode, ended.stdout) == (0, "4\n")
    assert "rayfaas call --debug" in ended.stderr


def test_an_admin_calls_for_another_team(server: Server) -> None:
    headers = {"Rayfaas-Team": "search", "Rayfaas-Priority": "low"}
    answer = server.http.post("/call/default/adds", json=1, headers=headers)
    assert answer.json() == 4
    assert server.sql("SELECT team FROM calls WHERE call = ?", answer.headers["rayfaas-call-id"]) == [["search"]]
