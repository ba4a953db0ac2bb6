"""`rayfaas dev`: what is saved is deployed and called, what is wrong is shown, and nothing ends it but Ctrl-C."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rayfaas.cli.dev import Logs, Loop
from rayfaas.client import Client
from rayfaas.deploy import DeployOptions
from rayfaas.errors import ImportFailed, to_problem
from tests.cli.terminal import Terminal
from tests.scripted_server import Reply, Request, ScriptedServer, streaming

SERVICE = "import rayfaas\nimport near\n@rayfaas.function\ndef f(x): ...\n"


class Deployments:
    """A server that deploys whatever is sent, or fails as `failure` says, and answers calls with their number."""

    def __init__(self) -> None:
        self.failure: ImportFailed | None = None
        self.deployed: list[dict[str, Any]] = []
        self.called: list[tuple[str, Any]] = []

    async def __call__(self, request: Request, reply: Reply) -> None:
        if request.path.startswith("/call/"):
            self.called.append((request.path, request.json()))
            log = {"log": {"text": "working\n", "at_us": 1, "stream": "stdout"}}
            await streaming(log, {"item": len(self.called)}, {"done": {"single": True}})(request, reply)
        elif request.path == "/v1/logs":
            other = {"log": {"text": "from elsewhere\n", "at": "2026-01-01T00:00:00+00:00", "version": 1}}
            old = {"log": {"text": "of another version\n", "at": "2026-01-01T00:00:00+00:00", "version": 99}}
            await reply.begin()
            await reply.events(old, other)
            await reply.gone()
        elif request.path.endswith("/versions"):
            await self._deploy(request, reply)
        else:
            await reply.json({"team": "nlp", "principal": "ada@example.org"})

    async def _deploy(self, request: Request, reply: Reply) -> None:
        _, _, _, team, name, _ = request.path.split("/")
        self.deployed.append(request.json())
        if self.failure is not None:
            await streaming({"event": "error", "problem": to_problem(self.failure)})(request, reply)
            return
        number, alias = len(self.deployed), request.json()["alias"]
        live = {"event": "live", "function": f"{team}/{name}", "version": number, "alias": alias, "created": True}
        await streaming({**live, "took_ms": 12.4, "phases": {}, "revision": number})(request, reply)


@pytest.fixture
def server() -> Deployments:
    return Deployments()


@pytest.fixture
def client(server: Deployments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setenv("RAYFAAS_HOME", str(tmp_path / "home"))
    with ScriptedServer(server) as scripted, Client(scripted.url, "rf_x") as client:
        yield client


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "near.py").write_text("X = 1\n")
    path = tmp_path / "src" / "dev_service.py"
    path.write_text(SERVICE)
    return path


class Ended(Exception):
    """A test's loop is over."""


def run(client: Client, file: Path, *edits: Any, arguments: Any = ((), {"x": 1}), run: str | None = None) -> None:
    """The loop; between two looks one of `edits` is made, and then it ends."""
    coming = iter(edits)

    def wait() -> None:
        edit = next(coming, None)
        if edit is None:
            raise Ended
        edit()

    loop = Loop(client, file, (), DeployOptions("dev-ada", force=True, breaking=True), run, arguments)
    with pytest.raises(Ended):
        loop.run(wait)


def test_each_save_is_deployed_to_the_alias_and_called(
    client: Client, server: Deployments, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(client, file, lambda: file.write_text(SERVICE + "Y = 1\n"))
    assert [(each["alias"], each["breaking"], each["expected"]) for each in server.deployed] == [
        ("dev-ada", True, None)
    ] * 2
    assert server.called == [("/call/f@dev-ada", {"args": [], "kwargs": {"x": 1}})] * 2
    out, err = capsys.readouterr()
    assert out == "1\n2\n"
    assert "nlp/f:2 is dev-ada, after 12 ms" in err
    assert err.count("working") == 2


def test_local_modules_are_watched_those_that_appear_too(client: Client, server: Deployments, file: Path) -> None:
    near, far = file.parent / "near.py", file.parent / "far.py"
    run(
        client,
        file,
        lambda: near.write_text("import far\n"),
        lambda: far.write_text("X = 1\n"),
        lambda: far.write_text("X = 22\n"),
    )
    assert len(server.deployed) == 4
    assert len({each["bundle"] for each in server.deployed}) == 4


def test_edits_that_change_nothing_of_it_do_nothing(client: Client, server: Deployments, file: Path) -> None:
    run(
        client,
        file,
        lambda: file.write_text(SERVICE),
        lambda: (file.parent / "unrelated.py").write_text("X = 1\n"),
        lambda: (file.parent / ".swp").write_text("x"),
    )
    assert (len(server.deployed), len(server.called)) == (1, 1)


def test_errors_are_shown_and_the_next_save_is_tried(
    client: Client, server: Deployments, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails() -> None:
        server.failure = ImportFailed("no module named nmpy", traceback="Traceback: x")
        file.write_text(SERVICE + "import nmpy\n")

    def works() -> None:
        server.failure = None
        file.write_text(SERVICE)

    near = file.parent / "near.py"
    run(client, file, fails, works, lambda: near.write_text("def\n"), lambda: near.write_text("X = 22\n"))
    err = capsys.readouterr().err
    assert "Traceback: x\nError: no module named nmpy" in err
    assert "near.py:1 does not parse" in err
    assert (len(server.deployed), len(server.called)) == (4, 3)


def test_a_file_that_is_broken_at_first_is_waited_for(client: Client, server: Deployments, file: Path) -> None:
    (file.parent / "near.py").write_text("def\n")
    run(client, file, lambda: (file.parent / "near.py").write_text("X = 1\n"))
    assert len(server.deployed) == 1


def test_another_function_or_a_method_is_called_if_that_is_said(
    client: Client, server: Deployments, file: Path
) -> None:
    file.write_text(SERVICE + "@rayfaas.cls(team='core')\nclass M:\n    def go(self): ...\n")
    run(client, file, arguments=((), {}), run="M.go")
    assert server.called == [("/call/core/M.go@dev-ada", {"args": [], "kwargs": {}})]
    run(client, file, arguments=None)
    assert len(server.called) == 1


def test_it_ends_with_an_interrupt_and_is_called_after_who_deploys(
    rayfaas: Terminal, server: Deployments, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("rayfaas.cli.dev._pause", interrupted)
    rayfaas.serve(server)
    code, out, err = rayfaas("dev", file, "--call", '{"x": 1}')
    assert (code, out) == (0, "1\n")
    assert "nlp/f:1 is dev-ada-example-org" in err
    assert rayfaas("dev", file, "--call", "{").code == 2


def test_what_other_calls_write_is_shown_once(
    client: Client, server: Deployments, file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    seen = ""

    def until_shown() -> None:
        nonlocal seen
        while "from elsewhere" not in seen:
            seen += capfd.readouterr().err

    run(client, file, until_shown)
    assert "of another version" not in seen + capfd.readouterr().err


def test_what_an_own_call_wrote_is_not_shown_again(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    logs = Logs(client)
    logs.show_own({"text": "working\n", "at_us": 1_000_001, "stream": "stdout"})
    line = {"text": "working\n", "at": "1970-01-01T00:00:01.000001+00:00", "version": 1}
    assert [logs.is_own(line), logs.is_own(line)] == [True, False]
    assert not logs.is_own({**line, "text": "other\n"})
