"""A Prefect flow that calls deployed functions by name: untouched by deploys, named in `calls`, tried again safely."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import rayfaas
from tests.e2e.conftest import Server

# A program of somebody else, that runs its flow for each line it is told: it knows a name, and nothing of versions.
FLOW = """
import json, sys
from prefect import flow, task
import rayfaas

@task(retries=2)
def count(path, fails):
    attempts.append(1)
    seen = rayfaas.get("append").with_options(idempotency_key="auto").remote(path, "counted")
    if len(attempts) <= fails:
        raise RuntimeError("after the call")
    return seen

@task(retries=3)
def shaky(path):
    return rayfaas.get("third_time_lucky").with_options(idempotency_key="auto").remote(path)

@flow
def nightly(text, path):
    answer = {"label": rayfaas.get("label").remote(text)}
    answer |= {"count": count(path, fails=2), "shaky": shaky(path + ".shaky")}
    spawned = rayfaas.get("outer").spawn(text)
    return {**answer, "spawned": spawned.id, "outer": spawned.result(timeout_s=60)}

for line in sys.stdin:
    attempts = []
    print(json.dumps(nightly(**json.loads(line))), flush=True)
"""

LABEL = """
import rayfaas

@rayfaas.function()
def label(text: str) -> str:
    return "v1: " + text
"""

FUNCTIONS = """
from pathlib import Path
import rayfaas

@rayfaas.function()
def append(path: str, line: str) -> int:
    with Path(path).open("a") as file:
        file.write(line + "\\n")
    return len(Path(path).read_text().splitlines())

@rayfaas.function()
def third_time_lucky(path: str) -> int:
    times = append.local(path, "tried")
    if times < 3:
        raise OSError("not yet")
    return times

@rayfaas.function()
def outer(text: str) -> str:
    return rayfaas.get("label").remote(text)
"""


class Orchestrator:
    """The flow's program, which stays up."""

    def __init__(self, server: Server, directory: Path) -> None:
        file = directory / "flow.py"
        file.write_text(FLOW)
        environ = {
            **os.environ,
            "RAYFAAS_URL": server.url,
            "RAYFAAS_TOKEN": server.token,
            "PREFECT_HOME": str(directory / "prefect"),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_LOGGING_LEVEL": "ERROR",
            "DO_NOT_TRACK": "1",
        }
        command = [sys.executable, str(file)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environ)

    def run(self, **arguments: str) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(arguments) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def stop(self) -> None:
        self.process.communicate(timeout=30)


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[rayfaas.Client]:
    with rayfaas.Client(server.url, server.token) as client:
        yield client


@pytest.fixture
def orchestrator(server: Server, tmp_path: Path) -> Iterator[Orchestrator]:
    orchestrator = Orchestrator(server, tmp_path)
    yield orchestrator
    orchestrator.stop()


def test_a_flow_calls_by_name_whatever_is_deployed_and_each_call_names_it(
    client: rayfaas.Client, orchestrator: Orchestrator, write: Callable[[str, str], Path], tmp_path: Path
) -> None:
    client.deploy_file(write("functions.py", FUNCTIONS))
    file = write("label.py", LABEL)
    client.deploy_file(file)
    first = orchestrator.run(text="a", path=str(tmp_path / "first"))
    file.write_text(LABEL.replace("v1: ", "v2: "))
    client.deploy_file(file)
    second = orchestrator.run(text="a", path=str(tmp_path / "second"))

    assert (first["label"], second["label"]) == ("v1: a", "v2: a")
    assert (first["outer"], second["outer"]) == ("v1: a", "v2: a")
    # Tried three times by Prefect, run once: what it came to was kept.
    assert (first["count"], second["count"]) == (1, 1)
    assert (tmp_path / "first").read_text() == "counted\n"
    # What failed runs again when Prefect tries again.
    assert first["shaky"] == 3

    rows = client.sql(
        "SELECT flow, task, function, version, count(DISTINCT flow_run) FROM calls "
        "WHERE flow = 'nightly' AND state = 'SUCCEEDED' GROUP BY ALL ORDER BY function, version"
    ).rows
    assert rows == (
        ("nightly", "count", "default/append", 1, 2),
        ("nightly", None, "default/label", 1, 1),  # of the flow, and of `outer` for it
        ("nightly", None, "default/label", 2, 1),
        ("nightly", None, "default/outer", 1, 2),
        ("nightly", "shaky", "default/third_time_lucky", 1, 2),
    )
    ((kept,),) = client.sql("SELECT context FROM spawned WHERE call::VARCHAR = ?", [first["spawned"]]).rows
    assert json.loads(kept)["prefect"]["flow"] == "nightly"
    assert json.loads(kept)["program"].endswith("flow.py")
