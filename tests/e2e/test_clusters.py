"""Two clusters behind one server: one joins over the network, has several nodes, loses some, and leaves.

The tests are one story, in the order in which they stand.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.e2e.conftest import Server, eventually, free_port
from tests.e2e.lab import Lab, RayNode
from tests.e2e.test_under_load import Load

Write = Callable[[str, str], Path]
HERE = "import time\n\ndef f(seconds=0.0):\n    time.sleep(seconds)\n    return 'done'\n"
MODEL = """
import pathlib, time

def model(begun=None, end=None):
    if begun:
        pathlib.Path(begun).touch()
    while end and not pathlib.Path(end).exists():
        time.sleep(0.02)
    return "done"
"""

OUTER = """
import rayfaas

def outer(inner):
    return [rayfaas.current_call().access().url, rayfaas.get(inner).remote()]
"""


@pytest.fixture(scope="module")
def home() -> Iterator[Server]:
    directory = Path(tempfile.mkdtemp(prefix="rf-"))
    server = None
    try:
        entrance = f"127.0.0.1:{free_port()}"
        network = ("--cluster-address", entrance, "--url", "http://localhost:{port}")
        server = Server(directory, "--cpus", "2", "--gpus", "0", "--gateways", "2", *network)
        yield server
        server.stop()
    except BaseException:
        if server is not None and server.home.server_file.exists():
            server.kill()
        raise
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    lab = Lab(Path(tempfile.mkdtemp(prefix="rl-")), cpus=2)
    yield lab
    lab.stop()


def deploy(home: Server, file: Path, shape: dict[str, Any], **scaling: float) -> None:
    events = home.deploy(file, file.stem, {"shape": shape, "scaling": scaling})
    assert events[-1]["event"] == "live", events


def place_of(home: Server, answer: httpx.Response) -> tuple[str, str]:
    """Cluster and node that a call ran on."""
    assert answer.status_code == 200, answer.text
    call = answer.headers["rayfaas-call-id"]
    (row,) = eventually(
        lambda: home.sql("SELECT cluster, node FROM calls WHERE call = ? AND cluster IS NOT NULL", call)
    )
    return row[0], row[1]


def call(home: Server, target: str, **arguments: Any) -> httpx.Response:
    return home.http.post(f"/call/{target}", json=arguments)


def nodes(home: Server) -> dict[str, dict[str, Any]]:
    return {node["node"]: node for node in home.http.get("/v1/nodes").json()["nodes"]}


def replica_nodes(home: Server, name: str) -> list[str]:
    return [r["node"] for r in home.status()["replicas"] if r["application"].startswith(f"default--{name}--")]


def test_a_cluster_joins_with_a_token_that_works_once(home: Server, lab: Lab) -> None:
    assert lab.foreign("run") == ["theirs", "theirs"]
    made = home.rayfaas("cluster", "join-token", "--cluster", "lab")
    assert made.returncode == 0, made.stderr
    command = made.stdout.split()
    assert command[:2] == ["rayfaas", "join"]
    joined = lab.rayfaas("join", command[2], "--address", lab.address)
    assert joined.returncode == 0, joined.stderr
    assert "joined as lab" in joined.stdout
    again = lab.rayfaas("join", command[2], "--address", lab.address)
    assert again.returncode == 1
    assert "did not let this cluster join" in again.stderr
    eventually(lambda: {r["cluster"] for r in home.status()["replicas"]} == {"local", "lab"})
    assert lab.foreign("call") == ["theirs", "rayfaas theirs"]
    listed = home.rayfaas("cluster", "list")
    assert [line.split()[:2] for line in listed.stdout.splitlines()[1:]] == [["lab", "up"], ["local", "up"]]


def test_functions_run_where_they_say_or_near(home: Server, lab: Lab, write: Write) -> None:
    deploy(home, write("anywhere.py", HERE.replace("f(", "anywhere(")), {})
    deploy(home, write("bound.py", HERE.replace("f(", "bound(")), {"cluster": "lab"})
    assert place_of(home, call(home, "anywhere"))[0] == "local"
    assert place_of(home, call(home, "bound"))[0] == "lab"
    assert list((lab.head.home / ".cache" / "rayfaas" / "bundles").iterdir())  # it came over the network
    unknown = home.http.post(
        "/v1/functions/default/bound/versions",
        json={"bundle": "0" * 64, "entry": {"module": "m", "name": "f"}, "spec": {"shape": {"cluster": "mars"}}},
    )
    assert unknown.status_code == 404


def test_a_function_there_calls_others_where_the_server_says_that_it_is(home: Server, write: Write) -> None:
    deploy(home, write("outer.py", OUTER), {"cluster": "lab"})
    answer = call(home, "outer", inner="anywhere")
    assert (answer.status_code, answer.json()[0]) == (200, f"http://localhost:{home.port}"), answer.text


def test_gpu_functions_go_to_the_gpu_node_and_others_do_not(home: Server, lab: Lab, write: Write) -> None:
    before = set(nodes(home))
    gpu_node = lab.add(cpus=1, gpus=1)
    gpu_node.id = eventually(lambda: next(iter(set(nodes(home)) - before), ""))
    # It has nowhere else to go: its node is left when it is at zero.
    deploy(home, write("model.py", MODEL), {"gpus": 1}, scale_down_after_s=3)
    assert place_of(home, call(home, "model")) == ("lab", gpu_node.id)
    deploy(home, write("plain.py", HERE.replace("f(", "plain(")), {"cluster": "lab", "cpus": 0.5}, min_replicas=3)
    eventually(lambda: len(replica_nodes(home, "plain")) == 3)
    assert gpu_node.id not in replica_nodes(home, "plain")
    warm = [r["node"] for r in home.status()["replicas"] if r["application"] == "warm"]
    assert gpu_node.id not in warm


def test_a_drained_node_is_left_without_a_cut_call(home: Server, lab: Lab, tmp_path: Path) -> None:
    gpu_node = next(node for node in nodes(home).values() if node["resources"].get("GPU"))
    answers: list[httpx.Response] = []
    begun, end = tmp_path / "begun", tmp_path / "end"
    calling = threading.Thread(target=lambda: answers.append(call(home, "model", begun=str(begun), end=str(end))))
    calling.start()
    eventually(begun.exists)
    drained = home.rayfaas("nodes", "drain", gpu_node["node"][:12])
    assert drained.returncode == 0, drained.stderr
    assert nodes(home)[gpu_node["node"]]["state"] != "down"
    end.touch()
    calling.join(60)
    assert answers[0].status_code == 200, answers[0].text
    eventually(lambda: nodes(home)[gpu_node["node"]]["state"] == "down")


def test_the_loss_of_a_node_fails_the_calls_that_ran_on_it_and_no_other(home: Server, lab: Lab, write: Write) -> None:
    before = set(nodes(home))
    worker = lab.add(cpus=2)
    worker.id = eventually(lambda: next(iter(set(nodes(home)) - before), ""))
    deploy(
        home,
        write("busy.py", HERE.replace("f(seconds=0.0)", "busy(seconds=0.02)")),
        {"cluster": "lab", "cpus": 0.25},
        min_replicas=4,
    )
    eventually(lambda: len(replica_nodes(home, "busy")) == 4 and worker.id in replica_nodes(home, "busy"))
    eventually(lambda: sum("default/busy:1" in r["hosted"] for r in home.status()["replicas"]) >= 4)
    load = Load(home, "busy")
    with load.running():
        eventually(lambda: len(load.answered) > 100)
        on_it = replica_nodes(home, "busy").count(worker.id)
        kill_and_go_on(worker, load)
    assert len(load.failed) <= 2 * on_it, load.failed  # each of the two gateways may have one there that was begun
    assert all('"node_lost"' in problem for problem in load.failed)


def kill_and_go_on(node: RayNode, load: Load) -> None:
    node.kill()
    killed_at, answered = time.monotonic(), len(load.answered)
    eventually(lambda: len(load.answered) > answered + 200 and time.monotonic() > killed_at)


def test_the_loss_of_one_cluster_moves_what_is_bound_to_none(home: Server, lab: Lab) -> None:
    assert place_of(home, call(home, "anywhere"))[0] == "local"
    (head,) = home.find("ray", "start", "--head", "--block")
    ended = [head, *head.children(recursive=True)]
    for process in ended:
        process.kill()
    psutil.wait_procs(ended, timeout=20)  # a call that met its executor's end would have gone with it
    answer = call(home, "anywhere")
    assert place_of(home, answer)[0] == "lab"
    eventually(lambda: "local" in {r["cluster"] for r in home.status()["replicas"]}, timeout_s=90)


def test_a_cluster_that_is_removed_keeps_what_is_not_ours(home: Server, lab: Lab) -> None:
    removed = home.rayfaas("cluster", "remove", "lab")
    assert removed.returncode == 0, removed.stderr
    assert [c["cluster"] for c in home.http.get("/v1/clusters").json()["clusters"]] == ["local"]
    assert call(home, "anywhere").status_code == 200

    def without_ours() -> list[str]:
        told = lab.foreign("call")
        return [] if "rayfaas" in told[1].split() else told

    answer, applications = eventually(without_ours)
    assert (answer, "theirs" in applications.split()) == ("theirs", True)
