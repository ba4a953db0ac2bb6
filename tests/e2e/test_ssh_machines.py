"""A machine that is reached by ssh as a node: at zero, claimed and booted by a deploy, switched off when idle, and the
head after it; both on by a call. The host is this machine, with a home of its own; it knows the server by its network
address only.

The tests are one story, in the order in which they stand.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from rayfaas.cluster.seat import Seat
from rayfaas.errors import Unauthenticated
from rayfaas.join_token import JoinToken
from tests.cluster.test_notices import ACTION, TOKEN, Metadata
from tests.e2e.conftest import Server, eventually, free_port
from tests.e2e.rack import PoweredRack, forget, outward_address, rack_in
from tests.e2e.test_head import head

MODEL = """
import os, time

def model(text):
    time.sleep(0.05)  # a call is under way at each moment, and the machine has time for all else
    return text.upper() + " " + os.environ["HOME"]
"""
GROUP = """
[groups.gpu]
gpus = 1
keep_alive = "1s"
placements = [{ provider = "ssh", type = "gpu" }]
"""
ELSEWHERE = """
[groups.gpu]
gpus = 1
max = 2
keep_alive = "1s"
placements = [{ provider = "ssh", type = "gpu" }, { provider = "local" }]
"""
# Runs as the machine's Python, and has the guard look for notices as on a spot machine of AWS.
PYTHON = """#!/bin/sh
exec {python} "$@" --notices aws --metadata {url}
"""
CONNECTIONS = 8
HOST = outward_address()

pytestmark = pytest.mark.skipif(not HOST, reason="this machine has no address but loopback's")


@pytest.fixture(scope="module")
def rack() -> Iterator[PoweredRack]:
    rack = rack_in(Path(tempfile.mkdtemp(prefix="rk-")))
    yield rack
    forget(rack)


@pytest.fixture(scope="module")
def metadata() -> Iterator[Metadata]:
    metadata = Metadata()
    metadata.answers[TOKEN] = (200, "a token")
    yield metadata
    metadata.close()


@pytest.fixture(scope="module")
def home(rack: PoweredRack, metadata: Metadata) -> Iterator[Server]:
    directory = Path(tempfile.mkdtemp(prefix="rf-"))
    server = None
    try:
        python = rack.directory / "python"
        python.write_text(PYTHON.format(python=sys.executable, url=metadata.url))
        python.chmod(0o755)
        (directory / "clouds.toml").write_text(rack.settings(str(python)))
        addresses = ("--cluster-address", f"{HOST}:{free_port()}", "--head-address", f"{HOST}:{free_port()}")
        server = Server(directory, "--cpus", "2", "--gpus", "0", "--head-keep-alive", "5s", *addresses)
        yield server
        assert server.stop() == []
    except BaseException:
        log = rack.directory / "home" / ".rayfaas" / "boot.log"
        sys.stderr.write(log.read_text()[-8000:] if log.exists() else "the machine wrote no log\n")
        if server is not None:
            sys.stderr.write((server.home.logs / "controller.log").read_text()[-8000:])
            if server.home.server_file.exists():
                server.kill()
        raise
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def states(home: Server) -> list[str]:
    groups: list[dict[str, Any]] = home.http.get("/v1/clusters/local/groups").json().get("groups", [])
    return [node["state"] for group in groups for node in group["nodes"]]


def happened(home: Server, event: str) -> int:
    """How often; not known, and so 0, while the server is on its way."""
    query = "SELECT count(*) FROM node_events WHERE event = ? AND worker_group = 'gpu'"
    answer = home.http.post("/v1/sql", json={"sql": query, "parameters": [event]})
    return int(answer.json()["rows"][0][0]) if answer.status_code == 200 else 0


def while_it_has_power(rack: PoweredRack, ask: Callable[[], Any]) -> Any:
    """The answer to what takes its time, with somebody at the machine's power button meanwhile."""
    with ThreadPoolExecutor(1) as threads:
        asked: Future[Any] = threads.submit(ask)
        eventually(rack.powered(asked.done), timeout_s=120)
        return asked.result()


def test_a_group_of_an_ssh_host_costs_nothing_yet(home: Server, rack: PoweredRack, tmp_path: Path) -> None:
    file = tmp_path / "gpu.toml"
    file.write_text(GROUP)
    created = home.rayfaas("cluster", "create", file)
    assert created.returncode == 0, created.stderr
    assert rack.count() == 0


def test_a_deploy_claims_the_host_and_runs_there(
    home: Server, rack: PoweredRack, write: Callable[[str, str], Path]
) -> None:
    spec = {"shape": {"gpus": 1}, "scaling": {"scale_down_after_s": 1}}
    events = home.deploy(write("model.py", MODEL), "model", spec)
    assert events[-1]["event"] == "live", events
    assert (rack.count(), states(home)) == (1, ["RUNNING"])
    assert home.call("model", "hello").split() == ["HELLO", str(rack.directory / "home")]


def test_its_code_came_over_the_network(rack: PoweredRack) -> None:
    assert list((rack.directory / "home" / ".cache" / "rayfaas" / "bundles").iterdir())


def test_its_join_token_was_used_once_and_is_in_no_log(home: Server, rack: PoweredRack) -> None:
    script = (rack.directory / "home" / ".rayfaas" / "boot").read_text()
    token = next(line.removeprefix("join=") for line in script.splitlines() if line.startswith("join="))
    assert JoinToken.parse(token).controller.startswith(f"tls:{HOST}:")
    logs = [*home.home.logs.glob("*.log"), rack.directory / "home" / ".rayfaas" / "boot.log"]
    assert [each.name for each in logs if token in each.read_text(errors="replace")] == []
    assert home.sql("SELECT count(*) FROM node_events WHERE event = 'let in'") == [[1]]
    with pytest.raises(Unauthenticated):
        asyncio.run(Seat.take(JoinToken.parse(token)))


def test_one_that_is_idle_is_switched_off(home: Server, rack: PoweredRack) -> None:
    eventually(rack.powered(lambda: states(home) == ["STOPPED"]), timeout_s=120)
    assert rack.sshd is None


def test_then_the_head_ends_too(home: Server) -> None:
    eventually(lambda: head(home) == "STOPPED", timeout_s=120)
    assert home.find("gcs_server") == []


def test_a_call_starts_the_head_switches_the_machine_on_and_is_answered(home: Server, rack: PoweredRack) -> None:
    assert while_it_has_power(rack, lambda: home.call("model", "wake")).split()[0] == "WAKE"
    assert (head(home), states(home)) == ("RUNNING", ["RUNNING"])
    events = home.sql("SELECT event FROM node_events WHERE event IN ('create', 'let in', 'start', 'joined') ORDER BY 1")
    assert events == [["create"], ["joined"], ["joined"], ["let in"], ["start"]]


def kill_the_head(home: Server) -> None:
    for process in home.find("gcs_server"):
        process.kill()


def restart_the_server(home: Server) -> None:
    assert home.rayfaas("down").returncode == 0
    home.up()


@pytest.mark.parametrize("lose", [kill_the_head, restart_the_server])
def test_it_comes_again_by_itself_when_its_head_was_lost(
    home: Server, rack: PoweredRack, lose: Callable[[Server], None]
) -> None:
    assert home.rayfaas("nodes", "hold", "gpu-1", "--for", "10m").returncode == 0
    before = {event: happened(home, event) for event in ("create", "start", "joined", "joins again")}
    lose(home)
    eventually(lambda: happened(home, "joined") > before["joined"], timeout_s=150)
    assert home.call("model", "again").split() == ["AGAIN", str(rack.directory / "home")]
    after = {event: happened(home, event) - number for event, number in before.items()}
    assert after == {"create": 0, "start": 0, "joined": 1, "joins again": 1}


def test_when_the_provider_takes_it_back_no_call_fails(home: Server, metadata: Metadata, tmp_path: Path) -> None:
    file = tmp_path / "gpu.toml"
    file.write_text(ELSEWHERE)
    assert home.rayfaas("cluster", "create", file).returncode == 0
    over, answers = threading.Event(), list[httpx.Response]()
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        calling = [threads.submit(calls_until, over, home, answers) for _ in range(CONNECTIONS)]
        eventually(lambda: len(answers) > CONNECTIONS)
        metadata.answers[ACTION] = (200, '{"action": "terminate", "time": "2026-11-27T12:02:00Z"}')
        try:
            eventually(lambda: happened(home, "gone") == 1, timeout_s=150)
        finally:
            over.set()
        for each in calling:
            each.result()
    assert [answer.text for answer in answers if answer.status_code != 200] == []
    places = {answer.json().split()[1] for answer in answers}
    assert len(places) == 2, places  # it was answered there, and then where another came


def calls_until(over: threading.Event, home: Server, answers: list[httpx.Response]) -> None:
    """One connection, one call after the other."""
    headers = {"Authorization": f"Bearer {home.token}"}
    with httpx.Client(base_url=home.url, headers=headers, timeout=120) as client:
        while not over.is_set():
            answers.append(client.post("/call/model", json="hello"))


def test_a_deleted_group_gives_the_host_back(home: Server, rack: PoweredRack) -> None:
    assert home.rayfaas("cluster", "delete", "gpu").returncode == 0
    query = "SELECT DISTINCT state FROM nodes WHERE worker_group = 'gpu'"
    eventually(rack.powered(lambda: home.sql(query) == [["GONE"]]), timeout_s=120)
    assert rack.count() == 0
    eventually(lambda: not [each for each in rack.processes() if each.is_running()])
