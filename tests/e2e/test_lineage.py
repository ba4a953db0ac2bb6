"""The worked example of docs/lineage.md: which code, and which data, made a column of vectors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.conftest import Server, eventually

EXAMPLE = Path("examples/lineage.py").resolve()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example in a repository of its own, with a commit."""
    folder = tmp_path_factory.mktemp("comments")
    (folder / "steps.py").write_text(EXAMPLE.read_text())
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "Count words"]):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *command], cwd=folder, check=True)
    return folder


def run(server: Server, project: Path, store: Path) -> None:
    environ = {**os.environ, "RAYFAAS_URL": server.url, "RAYFAAS_TOKEN": server.token}
    program = [sys.executable, str(project / "steps.py"), str(store)]
    done = subprocess.run(program, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_which_model_and_which_comments_made_a_column_of_vectors(
    server: Server, project: Path, tmp_path: Path, write: Callable[[str, str], Path]
) -> None:
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=project, capture_output=True, text=True).stdout.strip()
    deployed = server.rayfaas("deploy", project / "steps.py")
    assert deployed.returncode == 0, deployed.stderr
    store, vectors = tmp_path / "store", tmp_path / "store/vectors.parquet"
    run(server, project, store)
    eventually(lambda: server.sql("SELECT 1 FROM artifacts WHERE uri = ?", vectors.as_uri()))

    # The model is trained again by another version of the code: the vectors are still of the first.
    (project / "steps.py").write_text(EXAMPLE.read_text().replace("+ 1", "+ 2"))
    assert server.rayfaas("deploy", project / "steps.py").returncode == 0
    server.call("train", str(store))

    def sentences() -> str:
        why = server.rayfaas("why", vectors, "--column", "vector")
        assert why.returncode == 0, why.stderr
        return why.stdout if "comments.json" in why.stdout else ""

    text = eventually(sentences)
    for step in ("embed", "train", "preprocess"):
        assert f"the live default/{step} (version 1, commit {commit[:7]})".lower() in text.lower()
    assert "(version 2," not in text
    assert "comments.json" in text.splitlines()[-1]
    assert "who wrote it is not known" in text.splitlines()[-1]

    # What the file says by itself: of the words, that another step had written them.
    offline = server.rayfaas("why", vectors, "--offline", environ={"RAYFAAS_URL": "http://127.0.0.1:1"})
    assert "Column words was written by default/preprocess (version 1)" in offline.stdout
    assert "Column vector was written by default/embed (version 1)" in offline.stdout

    tree = server.rayfaas("lineage", store / "comments.json", "--downstream")
    assert "vectors.parquet" in tree.stdout, tree.stderr
    both = json.loads(server.rayfaas("lineage", store / "comments.json", "--downstream", "--json").stdout)
    assert {node["version"] for node in both["nodes"] if node.get("function") == "default/train"} == {1, 2}
    mermaid = server.rayfaas("lineage", "embed:1", "--mermaid").stdout
    assert mermaid.startswith("flowchart LR\n")
    events = server.rayfaas("lineage", "embed:1", "--openlineage", "-").stdout.splitlines()
    assert {json.loads(event)["job"]["name"] for event in events} >= {"train", "preprocess"}
    coverage = server.rayfaas("coverage", "-n", "1000").stdout
    assert f"not known: {(store / 'comments.json').as_uri()}" in coverage


TOGETHER = """
import os, time
import rayfaas

@rayfaas.function(concurrency=2)
def writes(path, mine, other):
    with open(path, "w") as file:
        open(path + mine, "w").close()
        while not os.path.exists(path + other):
            time.sleep(0.001)
        file.write(mine)

@rayfaas.function()
def adds(path):
    with open(path, "a") as file:
        file.write(".")
"""


def test_no_more_is_claimed_than_is_known(server: Server, write: Callable[[str, str], Path], tmp_path: Path) -> None:
    """Of a file that two calls write at the same time, and of one that a call adds to."""
    deployed = server.rayfaas("deploy", write("together.py", TOGETHER))
    assert deployed.returncode == 0, deployed.stderr
    file = tmp_path / "file"
    with ThreadPoolExecutor(2) as both:
        pairs = [{"path": str(file), "mine": one, "other": other} for one, other in ("ab", "ba")]
        list(both.map(lambda pair: server.call("writes", pair), pairs))
    server.call("adds", {"path": str(file)})
    written = "SELECT call FROM lineage WHERE uri = ? AND mode = 'write'"
    eventually(lambda: len(server.sql(written, file.as_uri())) == 3)

    graph = json.loads(server.rayfaas("lineage", file, "--json").stdout)
    (call,) = (edge["source"] for edge in graph["edges"] if edge["target"] == graph["start"])
    functions = {node["call"]: node["function"] for node in graph["nodes"] if "call" in node}
    assert functions.pop(call) == "default/adds"
    (before,) = functions
    assert functions[before] == "default/writes"
    doubts = {(edge["source"], edge["kind"]): edge.get("is_certain", True) for edge in graph["edges"]}
    assert doubts == {(call, "wrote"): True, (f"{file.as_uri()}#", "read"): False, (before, "wrote"): False}
    for row in server.sql(written, file.as_uri()):
        edges = json.loads(server.rayfaas("lineage", row[0], "--downstream", "--json").stdout)["edges"]
        (wrote,) = (
            each for each in edges if each["source"] == row[0] and each["target"].startswith(f"{file.as_uri()}#")
        )
        assert wrote.get("is_certain", True) == (row[0] == call)
