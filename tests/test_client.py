"""A client finds its server, proves who it is, and can be called plainly or awaited."""

from __future__ import annotations

from pathlib import Path

import pytest

from rayfaas import Client
from rayfaas.errors import Unauthenticated
from tests.operations.connected import connected
from tests.scripted_server import ScriptedServer, answering, refusing


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
