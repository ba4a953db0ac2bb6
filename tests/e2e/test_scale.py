"""What holds while replicas come and go under load, and what comes back on a fresh Ray cluster."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from tests.e2e.conftest import Server, eventually
from tests.e2e.test_under_load import Load

Write = Callable[[str, str], Path]
DOCS = Path(__file__).parents[2] / "docs"

SLOW = "import os, time\ndef {name}() -> int:\n    time.sleep(0.2)\n    return os.getpid()\n"
PATIENT = """
import os, time

def {name}(end: str | None = None) -> str:
    time.sleep(0.2)
    while end and not os.path.exists(end):
        time.sleep(0.02)
    return "done"
"""
# The load would have as many replicas as it has callers, whose starts nobody here asks for.
SMALL = {
    "shape": {"cpus": 0.1},
    "scaling": {"min_replicas": 1, "max_replicas": 2, "target_concurrency": 1, "scale_down_after_s": 1},
}


def replicas(server: Server, name: str) -> set[str]:
    """The replicas of the function's own deployments that host something."""
    found = server.status()["replicas"]
    return {
        each["replica"] for each in found if each["application"].startswith(f"default--{name}--") and each["hosted"]
    }


def deploy(server: Server, write: Write, name: str) -> None:
    server.deploy(write(f"{name}.py", SLOW.format(name=name)), name, SMALL)
    assert eventually(lambda: len(replicas(server, name)) == 1, 90)


def test_scaling_without_a_deploy_restarts_nothing_and_cuts_no_call(server: Server, write: Write) -> None:
    deploy(server, write, "elastic")
    first = replicas(server, "elastic")
    with Load(server, "elastic").running() as load:
        said = server.rayfaas("scale", "elastic", "--min", "3", "--max", "3", "-m", "a launch")
        assert (said.returncode, "in force on local" in said.stdout) == (0, True), said.stderr
        assert eventually(lambda: len(replicas(server, "elastic")) >= 3, 90)
        assert first <= replicas(server, "elastic")
        assert server.rayfaas("scale", "elastic", "--min", "1", "--max", "1").returncode == 0
        assert eventually(lambda: len(replicas(server, "elastic")) == 1, 90)
        answered = len(load.answered)
        eventually(lambda: len(load.answered) > answered + 20)
    assert (load.failed, load.refused) == ([], 0)
    assert server.sql("SELECT count(*) FROM audit WHERE action = 'scaled' AND subject = 'default/elastic'") == [[2]]


def test_another_shape_takes_over_with_as_many_replicas_and_cuts_no_call(server: Server, write: Write) -> None:
    deploy(server, write, "shaped")
    assert server.rayfaas("scale", "shaped", "--min", "2").returncode == 0
    assert eventually(lambda: len(replicas(server, "shaped")) == 2, 90)
    before = replicas(server, "shaped")
    spec = {**SMALL, "shape": {"cpus": 0.1, "env": {"COLOUR": "green"}}}
    text = "import os, time\ndef shaped() -> str:\n    time.sleep(0.2)\n    return os.environ['COLOUR']\n"
    with Load(server, "shaped").running() as load:
        assert server.deploy(write("shaped.py", text), "shaped", spec)[-1]["event"] == "live"
        assert len(replicas(server, "shaped") - before) >= 2
        live = time.monotonic()
        eventually(lambda: sum(sent > live for sent, _, _ in list(load.answered.values())) > 20)
    assert (load.failed, load.refused) == ([], 0)
    assert {result for sent, _, result in load.answered.values() if sent > live} == {"green"}
    assert eventually(lambda: not before & replicas(server, "shaped"), 60)


@pytest.mark.parametrize("victim", ["rayfaas.server.controller", "rayfaas.server.gateway"])
def test_sigterm_cuts_no_call(server: Server, write: Write, victim: str) -> None:
    deploy(server, write, "told")
    with Load(server, "told").running() as load:
        eventually(lambda: len(load.answered) > 20)
        for process in server.find(victim):
            process.send_signal(signal.SIGTERM)
        answered = len(load.answered)
        eventually(lambda: len(load.answered) > answered + 40, 90)
    assert load.failed == []
    assert eventually(lambda: replicas(server, "told"), 90)


@pytest.mark.parametrize(
    ("name", "spec", "victim"), [("warned", {}, "rayfaas:Warm"), ("alerted", SMALL, "default--al")]
)
def test_sigterm_of_a_replica_cuts_no_call(
    server: Server, write: Write, tmp_path: Path, name: str, spec: dict[str, object], victim: str
) -> None:
    server.deploy(write(f"{name}.py", PATIENT.format(name=name)), name, {"concurrency": 4, **spec})
    assert eventually(lambda: server.find(f"ServeReplica:{victim}"), 90)
    assert server.call(name, None) == "done"
    with ThreadPoolExecutor() as pool, Load(server, name).running() as load:
        long = pool.submit(server.call, name, str(tmp_path / "end"))
        eventually(lambda: len(load.answered) > 20)
        told = server.find(f"ServeReplica:{victim}")
        for process in told:
            process.send_signal(signal.SIGTERM)
        answered = len(load.answered)
        eventually(lambda: len(load.answered) > answered + 40, 90)
        (tmp_path / "end").touch()
        assert long.result(60) == "done"
    assert (load.failed, load.refused) == ([], 0)
    _, alive = psutil.wait_procs(told, timeout=60)
    assert not alive


def test_a_function_is_deleted_under_load_with_reason_and_comes_back(server: Server, write: Write) -> None:
    deploy(server, write, "doomed")
    with Load(server, "doomed").running() as load:
        eventually(lambda: len(load.answered) > 20)
        assert server.rayfaas("delete", "doomed", "--yes", "-m", "by a test").returncode == 0
        eventually(lambda: len(load.failed) > 20)
    assert all('"not_found"' in each and "by a test" in each for each in load.failed)
    assert eventually(lambda: not [r for r in server.status()["replicas"] if "default/doomed:1" in r["hosted"]], 60)
    assert eventually(lambda: not _applications(server, "doomed"), 60)
    server.deploy(write("doomed.py", SLOW.format(name="doomed")), "doomed", SMALL)
    assert isinstance(server.call("doomed:1", None), int)
    assert server.rayfaas("delete", "doomed", "--yes").returncode == 0


def _applications(server: Server, name: str) -> list[str]:
    clusters = server.status()["clusters"]
    return [each for cluster in clusters for each in cluster["applications"] if each.startswith(f"default--{name}--")]


@pytest.mark.parametrize("name", ["fit", "train"])
def test_ray_inside_of_a_function_is_its_cluster(server: Server, tmp_path: Path, name: str) -> None:
    (code,) = re.findall(rf"```python\n(# {name}\.py\n.*?)```", (DOCS / "scale.md").read_text(), re.DOTALL)
    file = tmp_path / f"{name}.py"
    file.write_text(code)
    deployed = server.rayfaas("deploy", file)
    assert deployed.returncode == 0, deployed.stderr
    said = server.rayfaas("call", name)
    assert (said.returncode, said.stdout) == (0, "[1.0, -2.0, 0.5]\n"), said.stderr


def test_all_comes_back_on_a_fresh_ray_cluster(server: Server, write: Write) -> None:
    deploy(server, write, "phoenix")
    server.deploy(write("phoenix.py", SLOW.format(name="phoenix") + "# 2\n"), "phoenix", SMALL)
    assert server.rayfaas("alias", "phoenix", "live", "--split", "1=50,2=50").returncode == 0
    before = replicas(server, "phoenix")
    (gcs,) = server.find("gcs_server")  # without it the head ends, and is started again as another cluster
    gcs.kill()
    fresh = eventually(lambda: replicas(server, "phoenix") - before, 150)
    assert fresh
    hosted = [each["hosted"] for each in server.status()["replicas"] if each["replica"] in fresh]
    assert {"default/phoenix:1", "default/phoenix:2"} <= set(hosted[0])
    assert isinstance(server.call("phoenix", None), int)
