"""A client's words for functions become requests, and nothing is sent that was not said."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rayfaas import Client
from rayfaas.errors import BadRequest
from tests.operations.connected import connected

F = "/v1/functions/nlp/f"


def test_only_what_is_said_of_a_scaling_is_sent() -> None:
    with connected({f"PATCH {F}/scaling": {"clusters": ["local"]}}) as (client, server):
        assert client.scale("nlp/f", min_replicas=0, target_concurrency=4) == {"clusters": ["local"]}
        assert server.requests[-1].json() == {"min_replicas": 0, "target_concurrency": 4.0}


def test_a_function_or_one_of_its_versions_is_deleted() -> None:
    table = {f"DELETE {F}": {"versions": [1, 2]}, f"DELETE {F}/versions/2": {"versions": [2]}}
    with connected(table) as (client, server):
        assert client.delete("nlp/f", message="old")["versions"] == [1, 2]
        assert server.requests[-1].query == {"message": ["old"]}
        assert client.delete("nlp/f:2")["versions"] == [2]


@pytest.mark.parametrize("name", ["nlp/f:", "nlp/f:new", "nlp/f@prod", "f:1:2"])
def test_what_is_no_version_is_not_deleted(name: str) -> None:
    with connected({}) as (client, server):
        with pytest.raises(BadRequest):
            client.delete(name)
        assert server.requests == []


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
