"""Functions of files and programs are published, all or those that are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import rayfaas
from rayfaas import Client
from rayfaas.errors import BadRequest, ImportFailed, NotFound, to_problem
from tests.operations.connected import connected
from tests.scripted_server import Handler, Reply, Request, ScriptedServer, streaming

TWO = (
    "import rayfaas\n@rayfaas.function\ndef a(): ...\n"
    '@rayfaas.function(name="bee", team="vision", timeout_s=9)\ndef b(): ...\n'
)


def live(revision: int) -> Handler:
    """Answers a deploy of any function."""

    async def handler(request: Request, reply: Reply) -> None:
        _, _, _, team, name, _ = request.path.split("/")
        event = {"event": "live", "function": f"{team}/{name}", "version": 1, "alias": request.json()["alias"]}
        await streaming({**event, "created": True, "took_ms": 1.0, "phases": {}, "revision": revision})(request, reply)

    return handler


def deploys(revision: int = 0) -> Handler:
    """Knows every bundle, deploys every function."""

    async def handler(request: Request, reply: Reply) -> None:
        if request.method == "POST":
            await live(revision)(request, reply)
        else:
            await reply.json({"team": "nlp"})

    return handler


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "client_service.py"
    path.write_text(TWO)
    return path


def test_all_functions_of_a_file_are_deployed_or_those_that_are_named(file: Path) -> None:
    with ScriptedServer(deploys()) as server, Client(server.url, "rf_x") as client:
        assert [each.function for each in client.deploy_file(file)] == ["nlp/a", "vision/bee"]
        assert [each.function for each in client.deploy_file(str(file), ["bee"], alias="prod")] == ["vision/bee"]
    last = next(request for request in reversed(server.requests) if request.method == "POST").json()
    assert (last["alias"], last["entry"], last["spec"]["timeout_s"]) == (
        "prod",
        {"kind": "module", "module": "client_service", "name": "b"},
        9.0,
    )


def test_the_team_is_who_says_so_first_the_deployer_then_the_decorator_then_the_token(file: Path) -> None:
    with ScriptedServer(deploys()) as server, Client(server.url, "rf_x") as client:
        assert [each.function for each in client.deploy_file(file, team="core")] == ["core/a", "core/bee"]


def test_a_name_that_the_file_does_not_declare_is_told_with_those_that_it_does(file: Path) -> None:
    with ScriptedServer(deploys()) as server, Client(server.url, "rf_x") as client:
        with pytest.raises(NotFound, match=r"does not declare c\. It declares a, bee"):
            client.deploy_file(file, ["a", "c"])
        assert server.requests == []


@pytest.mark.parametrize("options", [{"alias": "no spaces"}, {"team": "NLP"}])
def test_a_wrong_alias_or_team_deploys_nothing(file: Path, options: dict[str, Any]) -> None:
    with ScriptedServer(deploys()) as server, Client(server.url, "rf_x") as client:
        with pytest.raises(BadRequest):
            client.deploy_file(file, **options)
        assert "POST" not in {request.method for request in server.requests}


def test_a_file_that_is_wrong_anywhere_deploys_nothing(file: Path) -> None:
    file.write_text(TWO + "@rayfaas.function(include=['missing/*'])\ndef c(): ...\n")
    with ScriptedServer(deploys()) as server, Client(server.url, "rf_x") as client:
        with pytest.raises(BadRequest, match="missing"):
            client.deploy_file(file)
        assert server.requests == []


def test_one_deploy_that_fails_is_raised_after_the_others_have_ended(file: Path) -> None:
    async def first_fails(request: Request, reply: Reply) -> None:
        if request.path.endswith("/a/versions"):
            problem = to_problem(ImportFailed("a does not import"))
            await streaming({"event": "error", "problem": problem})(request, reply)
        else:
            await deploys()(request, reply)

    told: list[dict[str, Any]] = []
    with ScriptedServer(first_fails) as server, Client(server.url, "rf_x") as client:
        with pytest.raises(ImportFailed, match="a does not import"):
            client.deploy_file(file, on_event=told.append)
        assert sum(request.method == "POST" for request in server.requests) == 2
    assert {"event": "failed", "function": "a", "detail": "a does not import"} in told
    assert [event["function"] for event in told if event["event"] == "live"] == ["vision/bee"]


@pytest.mark.parametrize("name", ["missing.py", "missing/service.py"])
def test_a_file_that_is_not_there_is_told(tmp_path: Path, name: str) -> None:
    with connected({}) as (client, _), pytest.raises(BadRequest, match="can't be read"):
        client.deploy_file(tmp_path / name)


def test_a_function_of_this_program_deploys_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    @rayfaas.function(team="vision")
    def area(x: int) -> int:
        return x * x

    with ScriptedServer(deploys()) as server, Client(server.url, "rf_x") as client:
        came = area.deploy(alias="next", message="why", client=client)
        assert (came.function, came.version, came.alias) == ("vision/area", 1, "next")
        assert area.deploy(team="core", client=client).function == "core/area"
    body = next(request for request in server.requests if request.method == "POST").json()
    assert (body["entry"]["kind"], body["provenance"]["message"]) == ("pickle", "why")


def test_a_deploy_goes_over_what_this_user_knew_of_the_alias_or_with_force_over_anything(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAYFAAS_HOME", str(tmp_path / "home"))
    with ScriptedServer(deploys(revision=4)) as server, Client(server.url, "rf_x") as client:
        client.deploy_file(file, ["a"])
        client.deploy_file(file, ["a"])
        client.deploy_file(file, ["a"], force=True)
    assert [each.json()["expected"] for each in server.requests if each.method == "POST"] == [None, 4, None]


def test_events_of_a_deploy_are_told(file: Path) -> None:
    told: list[dict[str, Any]] = []
    with ScriptedServer(deploys()) as server, Client(server.url, "rf_x") as client:
        client.deploy_file(file, ["a"], on_event=told.append)
    assert [event["event"] for event in told] == ["live"]
