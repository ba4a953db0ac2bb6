"""A client's words for aliases become requests, and nothing is sent that was not said."""

from __future__ import annotations

from typing import Any

import pytest

import rayfaas.operations.releases
from rayfaas.errors import BadRequest, Unavailable
from tests.operations.connected import connected
from tests.scripted_server import Handler, Reply, Request, answering, refusing

PROD = "/v1/functions/nlp/f/aliases/prod"


@pytest.mark.parametrize(
    ("said", "sent"),
    [
        ({"version": 7, "message": "tested"}, {"version": 7, "message": "tested"}),
        ({"split": {7: 95, 8: 5}, "sticky": "caller"}, {"split": {"7": 95, "8": 5}, "sticky": "caller", "message": ""}),
        ({"shadow": (8, 10)}, {"shadow": {"version": 8, "share": 10}, "message": ""}),
        ({"shadow": None, "sticky": None}, {"shadow": None, "sticky": None, "message": ""}),
    ],
)
def test_a_move_is_sent_as_it_was_said(said: dict[str, Any], sent: dict[str, Any]) -> None:
    with connected({f"POST {PROD}": {"revision": 5}}) as (client, server):
        assert client.move_alias("nlp/f", "prod", **said) == {"revision": 5}
        assert server.requests[0].json() == sent


def test_an_alias_that_is_none_is_not_asked_for() -> None:
    with connected({}) as (client, server):
        with pytest.raises(BadRequest, match="is not an alias"):
            client.promote("nlp/f", 7, alias="no/alias")
        assert server.requests == []


def test_moves_are_listed_promoted_and_undone() -> None:
    table = {
        "GET /v1/functions/nlp/f/aliases": {"aliases": [{"alias": "prod"}]},
        f"GET {PROD}/history": {"moves": [{"revision": 2}, {"revision": 1}]},
        f"POST {PROD}": {"revision": 3},
        f"POST {PROD}/rollback": {"revision": 4},
        f"DELETE {PROD}/canary": {"state": "ABORTED"},
    }
    with connected(table) as (client, server):
        assert client.aliases("f") == [{"alias": "prod"}]
        assert [move["revision"] for move in client.alias_history("f", "prod", 2)] == [2, 1]
        assert client.promote("f", 8, alias="prod", message="faster") == {"revision": 3}
        assert server.requests[-1].json() == {"version": 8, "message": "faster"}
        assert client.rollback("f", alias="prod", message="broken") == {"revision": 4}
        assert server.requests[-1].json() == {"message": "broken"}
        assert client.abort_canary("f", alias="prod") == {"state": "ABORTED"}


def test_a_canary_is_followed_until_its_end_though_the_server_is_restarted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rayfaas.operations.releases, "LOOK_S", 0.0)
    away = refusing(Unavailable("It is restarted."))
    answers: list[Handler] = [answering({"state": "RUNNING"}), away, answering({"state": "PROMOTED"})]

    async def canary(request: Request, reply: Reply) -> None:
        await answers.pop(0)(request, reply)

    seen: list[str] = []
    with connected({f"GET {PROD}/canary": canary, f"POST {PROD}/canary": {"state": "RUNNING"}}) as (client, server):
        assert client.start_canary("nlp/f", 8, [5, 100], alias="prod", max_p99_increase=0.2)["state"] == "RUNNING"
        assert (server.requests[0].json()["steps"], server.requests[0].json()["max_p99_increase"]) == ([5, 100], 0.2)
        ended = client.follow_canary("nlp/f", alias="prod", on_progress=lambda now: seen.append(now["state"]))
    assert (ended, seen) == ({"state": "PROMOTED"}, ["RUNNING", "PROMOTED"])
