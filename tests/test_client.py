"""A client asks the server what its operations say, and hands on what it answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import rayfaas
from rayfaas import Client
from rayfaas.client import Table
from rayfaas.errors import BadRequest, ImportFailed, NotFound, QueryError, Unauthenticated, to_problem
from tests.scripted_server import Handler, Reply, Request, ScriptedServer, answering, refusing, routes, streaming

WHOAMI = {"GET /v1/whoami": {"principal": "ada", "team": "nlp", "role": "deployer"}}


@contextmanager
def connected(table: dict[str, Any]) -> Iterator[tuple[Client, ScriptedServer]]:
    with ScriptedServer(routes({**WHOAMI, **table})) as server, Client(server.url, "rf_x") as client:
        yield client, server


def live(version: int = 1) -> Handler:
    """Answers a deploy of any function."""

    async def handler(request: Request, reply: Reply) -> None:
        _, _, _, team, name, _ = request.path.split("/")
        event = {"event": "live", "function": f"{team}/{name}", "version": version, "alias": request.json()["alias"]}
        await streaming({**event, "created": True, "took_ms": 1.0, "phases": {}})(request, reply)

    return handler


def deploys() -> Handler:
    """Knows every bundle, deploys every function."""

    async def handler(request: Request, reply: Reply) -> None:
        if request.method == "POST":
            await live()(request, reply)
        else:
            await reply.json({"team": "nlp"})

    return handler


def test_the_url_and_token_of_the_environment_are_used_where_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer(answering({})) as server:
        monkeypatch.setenv("RAYFAAS_URL", server.url)
        monkeypatch.setenv("RAYFAAS_TOKEN", "rf_env")
        with Client() as client:
            client.status()
        with Client(token="rf_given") as client:
            client.status()
    assert [request.headers["authorization"] for request in server.requests] == ["Bearer rf_env", "Bearer rf_given"]


def test_the_server_of_this_user_is_found_by_its_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in ("RAYFAAS_URL", "RAYFAAS_TOKEN"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("RAYFAAS_HOME", str(tmp_path))
    with ScriptedServer(answering({"team": "nlp"})) as server:
        (tmp_path / "server.json").write_text(f'{{"url": "{server.url}"}}')
        (tmp_path / "token").write_text("rf_admin\n")
        with Client() as client:
            assert client.whoami() == {"team": "nlp"}
    assert server.requests[0].headers["authorization"] == "Bearer rf_admin"


def test_a_name_without_a_team_is_of_the_tokens_team() -> None:
    table = {f"GET /v1/functions/{team}/embed": {"team": team} for team in ("nlp", "vision")}
    with connected(table) as (client, server):
        assert client.function("embed") == {"team": "nlp"}
        assert client.function("vision/embed") == {"team": "vision"}
        assert [request.path for request in server.requests].count("/v1/whoami") == 1


@pytest.mark.parametrize("name", ["a/b/c", "../x", "nlp/", "NLP/embed", "embed@prod", "embed:1", "nlp/a b", "a?b"])
@pytest.mark.parametrize(
    "ask",
    [
        lambda client, name: client.function(name),
        lambda client, name: client.versions(name),
        lambda client, name: client.logs(name),
        lambda client, name: client.move_alias(name, "prod", 1),
        lambda client, name: client.aliases(name),
        lambda client, name: client.rollback(name),
        lambda client, name: client.canary(name),
    ],
)
def test_what_is_no_functions_name_is_refused_before_it_is_asked_for(
    ask: Callable[[Client, str], object], name: str
) -> None:
    with connected({}) as (client, server):
        with pytest.raises(BadRequest):
            ask(client, name)
        assert {request.path for request in server.requests} <= {"/v1/whoami"}


def test_lists_are_had_without_their_wrapping() -> None:
    table = {
        "GET /v1/functions": {"functions": [{"name": "f"}]},
        "GET /v1/functions/nlp/f/versions": {"versions": [{"version": 2}, {"version": 1}]},
        "GET /v1/tokens": {"tokens": [{"id": "t1"}]},
        "GET /v1/status": {"gateways": []},
    }
    with connected(table) as (client, _):
        assert client.functions() == [{"name": "f"}]
        assert [version["version"] for version in client.versions("f")] == [2, 1]
        assert client.tokens() == [{"id": "t1"}]
        assert client.status() == {"gateways": []}


def test_a_query_answers_with_a_table() -> None:
    answer = {
        "columns": [{"name": "n", "type": "BIGINT"}, {"name": "who", "type": "VARCHAR"}],
        "rows": [[1, "ada"], [2, None]],
        "truncated": True,
    }
    with connected({"POST /v1/sql": answer}) as (client, server):
        table = client.sql("SELECT ?", iter([3]))
        assert table == Table(("n", "who"), ("BIGINT", "VARCHAR"), ((1, "ada"), (2, None)), True)
        assert server.requests[0].json() == {"sql": "SELECT ?", "parameters": [3]}


def test_a_wrong_query_is_a_query_error() -> None:
    table = {"POST /v1/sql": refusing(QueryError("no table x"))}
    with connected(table) as (client, _), pytest.raises(QueryError, match="no table x"):
        client.sql("SELECT * FROM x")


def test_logs_are_asked_for_by_function_call_and_number() -> None:
    with connected({"GET /v1/logs": {"logs": [{"text": "a"}]}}) as (client, server):
        assert client.logs("f", call="c1", limit=5) == [{"text": "a"}]
        assert client.logs() == [{"text": "a"}]
        narrow, wide = (request.query for request in server.requests if request.path == "/v1/logs")
        assert narrow == {"function": ["nlp/f"], "call": ["c1"], "limit": ["5"]}
        assert wide == {"limit": ["1000"]}


def test_tokens_are_made_with_what_was_said_and_revoked() -> None:
    table = {"POST /v1/tokens": {"id": "t1", "token": "rf_new"}, "DELETE /v1/tokens/t1": {}}
    with connected(table) as (client, server):
        assert client.create_token("ci", role="viewer")["token"] == "rf_new"
        client.create_token("ci", "vision", expires_in_s=60)
        client.revoke_token("t1")
        assert server.requests[0].json() == {"principal": "ci", "role": "viewer"}
        assert server.requests[1].json() == {
            "principal": "ci",
            "team": "vision",
            "expires_in_s": 60,
        }
        assert server.requests[2].method == "DELETE"


def test_a_bad_token_is_unauthenticated_in_every_operation() -> None:
    with ScriptedServer(refusing(Unauthenticated("no such token"))) as server, Client(server.url, "rf_x") as client:
        for operation in (client.whoami, client.functions, client.status, client.tokens):
            with pytest.raises(Unauthenticated, match="no such token"):
                operation()
        with pytest.raises(Unauthenticated):
            list(client.stream("f", (), {}))


async def test_every_operation_can_be_awaited() -> None:
    with connected({"GET /v1/functions": {"functions": []}}) as (client, _):
        assert await client.functions.aio() == []
        assert (await client.whoami.aio())["team"] == "nlp"


# Deploys

TWO = (
    "import rayfaas\n@rayfaas.function\ndef a(): ...\n"
    '@rayfaas.function(name="bee", team="vision", timeout_s=9)\ndef b(): ...\n'
)


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

    with ScriptedServer(first_fails) as server, Client(server.url, "rf_x") as client:
        with pytest.raises(ImportFailed, match="a does not import"):
            client.deploy_file(file)
        assert sum(request.method == "POST" for request in server.requests) == 2


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


def test_events_of_a_deploy_are_told(file: Path) -> None:
    told: list[dict[str, Any]] = []
    with ScriptedServer(deploys()) as server, Client(server.url, "rf_x") as client:
        client.deploy_file(file, ["a"], on_event=told.append)
    assert [event["event"] for event in told] == ["live"]
