"""`%%rayfaas` in a real IPython shell: what a cell declares is deployed, called, and told of."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from rayfaas.client import Client
from rayfaas.default import DEFAULT
from rayfaas.errors import ImportFailed
from tests.cli.test_dev import Deployments
from tests.scripted_server import ScriptedServer

CELL = "import rayfaas\n@rayfaas.function\ndef f(x: int) -> int:\n    return x\n"


@pytest.fixture
def server() -> Deployments:
    return Deployments()


@pytest.fixture
def shell(server: Deployments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("RAYFAAS_HOME", str(tmp_path))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    shell: Any = InteractiveShell(history_manager=None)  # type: ignore[no-untyped-call]
    with ScriptedServer(server) as scripted, Client(scripted.url, "rf_x") as client:
        monkeypatch.setattr(DEFAULT, "_client", client)
        shell.run_cell("%load_ext rayfaas")
        yield shell


def test_a_cell_is_deployed(shell: Any, server: Deployments, capsys: pytest.CaptureFixture[str]) -> None:
    assert shell.run_cell(f"%%rayfaas deploy -m 'first try' --alias prod\n{CELL}").success
    (sent,) = server.deployed
    assert (sent["alias"], sent["provenance"]["message"], sent["entry"]["kind"]) == ("prod", "first try", "pickle")
    assert (sent["breaking"], sent["expected"]) == (False, None)
    assert "nlp/f:1 is prod, after 12 ms" in capsys.readouterr().err
    assert shell.user_ns["f"](3) == 3


def test_a_cell_in_development_is_called(shell: Any, server: Deployments, capsys: pytest.CaptureFixture[str]) -> None:
    shell.run_cell(f"%%rayfaas dev --call '{{\"x\": 1}}'\n{CELL}")
    assert server.called == [("/call/f@dev-ada-example-org", {"args": [], "kwargs": {"x": 1}})]
    out, err = capsys.readouterr()
    assert (server.deployed[0]["breaking"], "working" in err, out) == (True, True, "Out[0]: 1\n")


def test_the_cells_of_the_docs_run_as_they_are(shell: Any, server: Deployments) -> None:
    page = (Path(__file__).parent.parent / "docs" / "deploying.md").read_text("utf-8")
    first, second = page.partition("In a notebook")[2].split("```\n")[1:4:2]
    assert all(shell.run_cell(cell).success for cell in (first, second))
    assert [path.partition("@")[0] for path, _ in server.called] == ["/call/area"]


def test_only_what_the_cell_declares_is_deployed(shell: Any, server: Deployments) -> None:
    shell.run_cell(f"%%rayfaas deploy\n{CELL}")
    shell.run_cell("%%rayfaas deploy\n@rayfaas.function\ndef g(): ...\n")
    assert [each["entry"]["name"] for each in server.deployed] == ["f", "g"]


@pytest.mark.parametrize(
    "cell",
    ["%%rayfaas\nx = 1", "%%rayfaas deploi\nx = 1", "%%rayfaas deploy 'x\nx = 1", "%%rayfaas deploy\nx = 1"],
)
def test_wrong_use_is_told(shell: Any, server: Deployments, cell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert not shell.run_cell(cell).success
    assert "UsageError" in "".join(capsys.readouterr())
    assert server.deployed == []


def test_a_cell_that_fails_and_a_deploy_that_fails_are_told(
    shell: Any, server: Deployments, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.run_cell("%%rayfaas deploy\n1 / 0")
    assert server.deployed == []
    capsys.readouterr()
    server.failure = ImportFailed("no module named nmpy", traceback="Traceback: x")
    assert shell.run_cell(f"%%rayfaas deploy\n{CELL}").result is None
    assert "Traceback: x\nno module named nmpy" in capsys.readouterr().err
