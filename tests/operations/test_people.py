"""Requests are for the team that is said, and what is asked of teams and aliases goes where it belongs."""

from __future__ import annotations

import pytest

from rayfaas.client import Client
from tests.operations.connected import connected
from tests.scripted_server import ScriptedServer, routes

WHOAMI = {"principal": "ada", "team": "ads", "role": "admin"}


def test_every_request_is_for_the_team_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAYFAAS_TEAM", "ads")
    with ScriptedServer(routes({"GET /v1/whoami": WHOAMI, "GET /v1/teams": {"teams": []}})) as server:
        with Client(server.url, "rf_x") as client:
            client.whoami()
            client.teams()
        assert [request.headers["rayfaas-team"] for request in server.requests] == ["ads", "ads"]


def test_names_of_principals_are_quoted() -> None:
    path = "/v1/teams/nlp/members"
    with ScriptedServer(routes({f"PUT {path}": {}, f"DELETE {path}": {}})) as server, Client(server.url, "x") as client:
        client.set_member("nlp", "ann & bob", "viewer", "why")
        client.remove_member("nlp", "ann & bob")
        assert [request.query["principal"] for request in server.requests] == [["ann & bob"], ["ann & bob"]]


def test_an_alias_is_protected_in_the_functions_path() -> None:
    path = "/v1/functions/ads/embed/aliases/prod/protection"
    table = {"GET /v1/whoami": WHOAMI, f"PUT {path}": {"who": ["ann"]}, f"DELETE {path}": {}}
    with ScriptedServer(routes(table)) as server, Client(server.url, "x") as client:
        assert client.protect("embed", "prod", ["ann"], "audited") == {"who": ["ann"]}
        client.unprotect("ads/embed", "prod")
        assert server.requests[1].json() == {"who": ["ann"], "message": "audited"}


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
