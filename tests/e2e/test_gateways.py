"""A gateway with a folder of its own, as on another machine: it answers, and loses no row, whichever side is killed.

The tests are one story, in the order in which they stand.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.conftest import Server, eventually, free_port
from tests.e2e.test_under_load import Load

Write = Callable[[str, str], Path]
TEXT = """
import rayfaas

def double(x=1):
    return 2 * x

def quadruple(x):
    return rayfaas.get("double").remote(rayfaas.get("double").remote(x))
"""


@pytest.fixture(scope="module")
def home() -> Iterator[Server]:
    directory = Path(tempfile.mkdtemp(prefix="rf-"))
    server = None
    try:
        server = Server(directory, "--cpus", "2", "--gpus", "0", "--cluster-address", f"127.0.0.1:{free_port()}")
        yield server
        server.stop()
    except BaseException:
        if server is not None and server.home.server_file.exists():
            server.kill()
        raise
    finally:
        shutil.rmtree(directory, ignore_errors=True)


class Edge:
    """`rayfaas gateway run`, as systemd keeps it."""

    def __init__(self, home: Server, directory: Path) -> None:
        self._server, self.directory = home, directory
        self._port, self._cluster_port = free_port(), free_port()
        self.url, self.token = f"http://127.0.0.1:{self._port}", home.token
        self.process: subprocess.Popen[bytes] | None = None

    def join(self) -> subprocess.CompletedProcess[str]:
        made = self._server.rayfaas("gateway", "join-token", "--name", "edge")
        assert made.returncode == 0, made.stderr
        _, *command = made.stdout.split()  # as it was printed, but for the folder
        return self._server.rayfaas(*command, "--home", str(self.directory))

    def start(self) -> None:
        command = [shutil.which("rayfaas", path=self._server.environ["PATH"]) or "rayfaas", "gateway", "run"]
        command += ["--home", str(self.directory), "--port", str(self._port)]
        command += ["--cluster-address", f"127.0.0.1:{self._cluster_port}"]
        environ = {name: value for name, value in os.environ.items() if not name.startswith("RAYFAAS_")}
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environ)
        eventually(lambda: httpx.get(f"{self.url}/readyz").status_code == 200)

    def end(self, sig: int) -> None:
        assert self.process is not None
        self.process.send_signal(sig)
        self.process.wait(60)

    def segments(self) -> list[Path]:
        return list((self.directory / "journal").glob("*.ndjson"))


@pytest.fixture(scope="module")
def edge(home: Server) -> Iterator[Edge]:
    directory = Path(tempfile.mkdtemp(prefix="re-"))
    edge = Edge(home, directory)
    yield edge
    if edge.process is not None:
        edge.end(signal.SIGKILL)
    shutil.rmtree(directory, ignore_errors=True)


def rows(home: Server, load: Load) -> list[list[object]]:
    return home.sql(
        "SELECT count(*), count(DISTINCT call), count(*) FILTER (state = 'SUCCEEDED') FROM calls "
        "WHERE list_contains(?, call::VARCHAR)",
        list(load.answered),
    )


def test_it_joins_and_answers_calls_that_the_home_knows_of(home: Server, edge: Edge, write: Write) -> None:
    file = write("numbers_.py", TEXT)
    for name in ("double", "quadruple"):
        assert home.deploy(file, name)[-1]["event"] == "live"
    joined = edge.join()
    assert joined.returncode == 0, joined.stderr
    edge.start()
    with httpx.Client(base_url=edge.url, headers={"Authorization": f"Bearer {edge.token}"}, timeout=60) as http:
        answer = http.post("/call/quadruple", json={"x": 3})
        assert (answer.status_code, answer.text) == (200, "12"), answer.text
        call = answer.headers["rayfaas-call-id"]
        assert home.http.get(f"/calls/{call}").json()["state"] == "SUCCEEDED"
        assert home.sql("SELECT count(*) FROM calls WHERE root = ?", call) == [[3]]
        spawned = http.post("/call/double", json={"x": 4}, headers={"Prefer": "respond-async"})
        place = spawned.headers["location"]
        assert home.http.get(f"{place}/result", headers={"Prefer": "wait=30"}).text == "8"
    assert ["edge", "up"] in [line.split()[:2] for line in home.rayfaas("gateway", "list").stdout.splitlines()]


def test_a_deploy_is_in_force_there_when_it_returns(home: Server, edge: Edge, write: Write) -> None:
    file = write("release.py", "")
    with httpx.Client(base_url=edge.url, headers={"Authorization": f"Bearer {edge.token}"}, timeout=60) as http:
        for number in range(5):
            file.write_text(f"def release():\n    return {number}\n")
            assert home.deploy(file, "release")[-1]["event"] == "live"
            assert http.post("/call/release", json={}).json() == number


@pytest.mark.parametrize("victim", ["gateway", "controller"])
def test_kill_9_of_either_loses_no_row_of_an_answered_call(home: Server, edge: Edge, victim: str) -> None:
    with Load(edge, "double").running() as load:
        eventually(lambda: len(load.answered) > 50)
        if victim == "gateway":
            edge.end(signal.SIGKILL)
            edge.start()
        else:
            for process in home.find("rayfaas.server.controller"):
                process.kill()
        answered = len(load.answered)
        eventually(lambda: len(load.answered) > answered + 50, 90)
    assert load.failed == []
    eventually(lambda: home.http.post("/v1/sql", json={"sql": "SELECT 1"}).status_code == 200)
    assert eventually(lambda: rows(home, load) == [[len(load.answered)] * 3], 20)
    assert len(edge.segments()) == 1


def test_its_calls_go_on_while_the_home_is_away(home: Server, edge: Edge) -> None:
    """Its controller is stopped, as by a cable that is pulled."""
    (controller,) = home.find("rayfaas.server.controller")
    with Load(edge, "double").running() as load:
        eventually(lambda: len(load.answered) > 20)
        controller.suspend()
        try:
            answered = len(load.answered)
            eventually(lambda: len(load.answered) > answered + 50)
        finally:
            controller.resume()
    assert (load.failed, load.refused) == ([], 0)
    assert eventually(lambda: rows(home, load) == [[len(load.answered)] * 3], 20)


def test_sigterm_leaves_nothing_there_that_the_home_does_not_have(home: Server, edge: Edge) -> None:
    with Load(edge, "double").running() as load:
        eventually(lambda: len(load.answered) > 50)
        edge.end(signal.SIGTERM)
    assert load.failed == []
    assert edge.segments() == []
    assert rows(home, load) == [[len(load.answered)] * 3]
    assert ["edge", "away"] in [line.split()[:2] for line in home.rayfaas("gateway", "list").stdout.splitlines()]


def test_down_and_up_bring_all_back_on_a_fresh_ray_cluster(home: Server, edge: Edge) -> None:
    """With nothing left of the cluster that was: the registry, bundles and keys are enough. The gateway dials again."""
    edge.start()
    assert home.rayfaas("scale", "double", "--min", "1").returncode == 0
    assert home.rayfaas("down").returncode == 0
    for place in (home.home.run, home.home.cache):
        shutil.rmtree(place)
    home.up()
    assert home.call("quadruple", {"x": 3}) == 12
    assert eventually(lambda: [r for r in home.status()["replicas"] if r["application"].startswith("default--double")])
    called = httpx.post(f"{edge.url}/call/double", json={"x": 2}, headers={"Authorization": f"Bearer {edge.token}"})
    assert (called.status_code, called.text) == (200, "4")


def test_one_that_is_removed_is_let_in_no_more(home: Server, edge: Edge) -> None:
    assert home.rayfaas("gateway", "remove", "edge").returncode == 0
    assert edge.process is not None
    edge.end(signal.SIGKILL)
    edge.process = None
    assert [each["gateway"] for each in home.http.get("/v1/gateways").json()["gateways"]] == ["gateway-0"]
    assert home.call("double", {"x": 2}) == 4
