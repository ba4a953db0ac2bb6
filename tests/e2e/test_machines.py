"""A worker group with a GPU that there is not: at zero, started by a deploy, stopped when idle, started by a call.

The tests are one story, in the order in which they stand.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.e2e.conftest import Server, eventually
from tests.gateway.test_webhooks import answering
from tests.scripted_server import ScriptedServer

USD_PER_HOUR = 3600.0
MODEL = "def model(text):\n    return text.upper()\n"


@pytest.fixture(scope="module")
def home() -> Iterator[Server]:
    directory = Path(tempfile.mkdtemp(prefix="rf-"))
    server = None
    try:
        (directory / "clouds.toml").write_text(f'[local]\nprices = {{ "local/*/" = {USD_PER_HOUR} }}\n')
        server = Server(directory, "--cpus", "2", "--gpus", "0", "--webhook-network", "127.0.0.1/32")
        yield server
        assert server.stop() == []
    except BaseException:
        if server is not None:
            sys.stderr.write((server.home.logs / "controller.log").read_text()[-8000:])
            if server.home.server_file.exists():
                server.kill()
        raise
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def machines(home: Server) -> list[dict[str, Any]]:
    """None while the controller is away."""
    groups = home.http.get("/v1/clusters/local/groups").json().get("groups", [])
    return [node for group in groups for node in group["nodes"]]


def states(home: Server) -> list[str]:
    return [node["state"] for node in machines(home)]


def workers(home: Server) -> list[psutil.Process]:
    return home.find("rayfaas.cluster.worker", "--attempt")


def kill(home: Server, what: str) -> None:
    """kill -9, of a machine with all that is on it."""
    found = workers(home) if what == "machine" else home.find("ServeReplica:rayfaas:Agent")
    for process in [each for one in found for each in (one, *one.children(recursive=True))]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def test_a_group_costs_nothing_before_it_is_needed(home: Server) -> None:
    added = home.rayfaas("cluster", "add", "gpu", "--gpus", "1", "--keep-alive", "1s")
    assert added.returncode == 0, added.stderr
    assert home.sql("SELECT count(*) FROM nodes") == [[0]]


def test_a_deploy_starts_a_machine(home: Server, write: Callable[[str, str], Path]) -> None:
    spec = {"shape": {"gpus": 1}, "scaling": {"scale_down_after_s": 1}}
    events = home.deploy(write("model.py", MODEL), "model", spec)
    assert events[-1]["event"] == "live", events
    assert states(home) == ["RUNNING"]


def test_one_that_is_idle_is_stopped(home: Server) -> None:
    eventually(lambda: states(home) == ["STOPPED"], timeout_s=90)
    eventually(lambda: workers(home) == [])


def test_a_call_starts_it_again_and_is_answered(home: Server) -> None:
    assert home.call("model", "wake") == "WAKE"
    assert states(home) == ["RUNNING"]


def test_a_controller_that_is_killed_finds_its_machines_again(home: Server) -> None:
    (worker,) = workers(home)
    for process in home.find("rayfaas.server.controller"):
        process.kill()
    assert home.call("model", "still") == "STILL"
    eventually(lambda: states(home) == ["STOPPED"], timeout_s=90)
    eventually(lambda: not worker.is_running())
    query = "SELECT event FROM node_events WHERE event IN ('create', 'start', 'stopped', 'stray') ORDER BY happened_at"
    rows = home.sql(query)
    assert [event for (event,) in rows] == ["create", "stopped", "start", "stopped"]


def test_every_decision_has_its_reason(home: Server) -> None:
    told = dict(home.sql("SELECT event, any_value(reason) FROM node_events GROUP BY event"))
    assert "1 GPU waits for room" in told["want running"]
    assert "no call for" in told["want stopped"]
    (row,) = home.sql("SELECT state, up_hours > 0, idle_hours > 0 FROM nodes")
    assert row == ["STOPPED", True, True]


def test_what_calls_cost_and_what_idled_is_what_the_machine_cost(home: Server) -> None:
    answer = home.http.get("/v1/usage", params={"by": "function,team", "cost": "1"}).json()
    names = [column["name"] for column in answer["columns"]]
    model, idle = (dict(zip(names, row, strict=True)) for row in answer["rows"])
    assert (model["function"], model["calls"], model["calls_without_price"]) == ("default/model", 2, 0)
    assert idle["idle"] == "local/gpu"
    ((usd,),) = home.sql("SELECT usd FROM nodes")
    assert 0 < model["usd"] < idle["usd"]
    assert model["usd"] + idle["usd"] == pytest.approx(usd, rel=1e-3)
    told = home.rayfaas("usage", "model", "--cost")
    assert "local/gpu" in told.stdout, told.stderr


def test_an_alarm_reaches_who_listens(home: Server) -> None:
    with ScriptedServer(answering(204)) as listener:
        told = home.rayfaas("webhook", "alarms", listener.url)
        assert told.stdout.strip() == f"Alarms are told to {listener.url}.", told.stderr
        for folder in home.home.machines.iterdir():
            shutil.rmtree(folder)  # as if somebody else had ended it
        eventually(lambda: len(listener.requests) == 2, timeout_s=90)
    trial, alarm = (request.json() for request in listener.requests)
    assert (trial["type"], alarm["type"], alarm["data"]["event"]) == ("alarm.test", "alarm.raised", "vanished")
    query = "SELECT webhook_state FROM node_events WHERE alarm"
    eventually(lambda: home.sql(query) == [["DELIVERED"]])


@pytest.mark.parametrize("what", ["machine", "agent"])
def test_whatever_is_killed_while_it_starts_and_while_it_stops_the_call_is_answered_and_it_ends(
    home: Server, what: str
) -> None:
    eventually(lambda: workers(home) == [])
    with ThreadPoolExecutor(1) as threads:
        calling = threads.submit(home.call, "model", what)
        eventually(lambda: workers(home))
        kill(home, what)
        assert calling.result() == what.upper()
    eventually(lambda: machines(home)[0]["want"] == "STOPPED", timeout_s=90)
    kill(home, what)
    eventually(lambda: states(home) == ["STOPPED"], timeout_s=90)
    eventually(lambda: home.find("raylet", "rayfaas-attempt") == [])


def test_a_deleted_group_leaves_nothing(home: Server) -> None:
    assert home.rayfaas("cluster", "delete", "gpu").returncode == 0
    eventually(lambda: home.sql("SELECT DISTINCT state FROM nodes") == [["GONE"]])
    assert list(home.home.machines.iterdir()) == []
