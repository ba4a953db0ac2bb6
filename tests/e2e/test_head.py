"""The whole cluster at zero, its head, too: stopped when nobody calls, started by who does, whatever is killed.

The tests are one story, in the order in which they stand.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from tests.e2e.conftest import Server, eventually

HELLO = "def hello(name: str) -> str:\n    return f'hello, {name}'\n"
MODEL = "def model(text):\n    return text.upper()\n"


@pytest.fixture(scope="module")
def home() -> Iterator[Server]:
    directory = Path(tempfile.mkdtemp(prefix="rf-"))
    server = None
    try:
        server = Server(directory, "--cpus", "2", "--gpus", "0", "--head-keep-alive", "2s")
        yield server
        assert server.stop() == []
    except BaseException:
        if server is not None:
            for name in ("controller", "cluster"):
                sys.stderr.write((server.home.logs / f"{name}.log").read_text()[-6000:])
            if server.home.server_file.exists():
                server.kill()
        raise
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def head(home: Server) -> str:
    answer = home.http.get("/v1/status")
    return str(answer.json()["head"]["state"]) if answer.status_code == 200 else "unknown"


def ray(home: Server) -> list[psutil.Process]:
    return home.find("gcs_server")


def stopped(home: Server) -> None:
    eventually(lambda: head(home) == "STOPPED", timeout_s=120)
    assert ray(home) == []


def killed(processes: list[psutil.Process]) -> bool:
    for process in processes:
        process.kill()
    return bool(processes)


def test_without_calls_the_head_ends_and_the_gateway_stays(home: Server, write: Callable[[str, str], Path]) -> None:
    assert home.deploy(write("hello.py", HELLO), "hello")[-1]["event"] == "live"
    assert home.call("hello", "Ann") == "hello, Ann"
    stopped(home)
    assert home.http.get("/readyz").status_code == 200
    assert "local is stopped: no call for" in home.rayfaas("cluster", "show").stdout


def test_a_deploy_starts_head_and_machine(home: Server, write: Callable[[str, str], Path]) -> None:
    assert home.rayfaas("cluster", "add", "gpu", "--gpus", "1", "--keep-alive", "1s").returncode == 0
    spec = {"shape": {"gpus": 1}, "scaling": {"scale_down_after_s": 1}}
    assert home.deploy(write("model.py", MODEL), "model", spec)[-1]["event"] == "live"
    stopped(home)


def test_a_call_starts_it_hears_what_it_waits_for_and_is_answered(home: Server) -> None:
    with home.http.stream("POST", "/call/hello", json="Bob", headers={"Accept": "text/event-stream"}) as answer:
        text = answer.read().decode()
    names = re.findall(r"^event: (\w+)$", text, re.MULTILINE)
    assert (names[0], names[-1]) == ("node_starting", "done")
    assert 'data: "hello, Bob"' in text
    eventually(lambda: head(home) == "RUNNING")  # a supervisor may answer before all of it is up


def test_its_machine_is_started_for_who_needs_it_only(home: Server) -> None:
    assert home.sql("SELECT state FROM nodes WHERE worker_group = 'gpu'") == [["STOPPED"]]
    assert home.call("model", "up") == "UP"
    stopped(home)


def answered_whatever_is_killed(home: Server, what: str) -> None:
    """A spawned call has it start, and another waits for its answer."""
    spawned = home.http.post("/call/hello", json="Dan", headers={"Prefer": "respond-async"})
    assert spawned.status_code == 202
    eventually(lambda: ray(home))
    with ThreadPoolExecutor(1) as threads:
        calling = threads.submit(home.http.post, "/call/hello", json=what, timeout=180)
        eventually(lambda: killed(home.find(what)))
        answer = calling.result()
    assert (answer.status_code, answer.text) == (200, f'"hello, {what}"')
    result = f"{spawned.headers['location']}/result"
    eventually(lambda: home.http.get(result, headers={"Prefer": "wait=100"}).text == '"hello, Dan"')


@pytest.mark.parametrize("what", ["rayfaas.cluster.local", "ServeReplica:rayfaas:Agent"])
def test_whatever_is_killed_while_it_starts_calls_are_answered(home: Server, what: str) -> None:
    answered_whatever_is_killed(home, what)
    stopped(home)


@pytest.mark.parametrize("what", ["gcs_server", "rayfaas.server.controller"])
def test_whatever_is_killed_while_it_starts_and_while_it_stops_calls_are_answered_and_it_ends(
    home: Server, what: str
) -> None:
    answered_whatever_is_killed(home, what)
    assert home.call("hello", what) == f"hello, {what}"
    assert home.rayfaas("cluster", "stop", "local", "--now").returncode == 0
    killed(home.find(what))
    stopped(home)


def test_every_decision_has_its_reason(home: Server) -> None:
    query = "SELECT event, any_value(reason) FROM node_events WHERE node = 'head' GROUP BY event"
    told = dict(home.sql(query))
    assert {"want running", "booting", "running", "want stopped", "stopping", "stopped"} <= set(told)
    (row,) = home.sql("SELECT state, up_hours > 0, idle_hours > 0 FROM nodes WHERE node = 'head'")
    assert row == ["STOPPED", True, True]
    assert home.sql("SELECT count(*) FROM calls WHERE state <> 'SUCCEEDED'") == [[0]]
