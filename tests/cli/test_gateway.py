"""What lets a gateway in can be piped; gateways are a table, and JSON for programs."""

from __future__ import annotations

from pathlib import Path

import pytest

from rayfaas.join_token import JoinToken
from tests.cli.terminal import Terminal
from tests.scripted_server import routes

TOKEN = str(JoinToken("tls:127.0.0.1:1:" + "ab" * 32, "j", b"secret"))
HERE = {"gateway": "gateway-0", "state": "up", "elsewhere": False, "pid": 7}
AWAY = {"gateway": "edge", "state": "away", "elsewhere": True, "pid": None}


@pytest.fixture
def served(rayfaas: Terminal) -> Terminal:
    rayfaas.serve(
        routes(
            {
                "GET /v1/gateways": {"gateways": [HERE, AWAY]},
                "POST /v1/gateways": {"gateway": "edge", "token": TOKEN, "expires_in_s": 600},
                "DELETE /v1/gateways/edge": {},
            }
        )
    )
    return rayfaas


def test_the_command_to_join_with_is_alone_on_stdout(served: Terminal) -> None:
    made = served("gateway", "join-token", "--name", "edge")
    assert (made.code, made.out) == (0, f"rayfaas gateway join {TOKEN}\n")
    assert "as edge" in made.err
    assert served("gateway", "join-token", "--json").json["token"] == TOKEN
    assert [request.json() for request in served.requests] == [{"gateway": "edge"}, {}]


def test_gateways_are_listed_and_removed(served: Terminal) -> None:
    lines = served("gateway", "list").lines
    assert [line[:2] for line in lines] == [["GATEWAY", "STATE"], ["gateway-0", "up"], ["edge", "away"]]
    assert served("gateway", "list", "--json").json == [HERE, AWAY]
    assert served("gateway", "remove", "edge") == (0, "edge is removed.\n", "")
    assert served("gateway", "remove", "gateway-0").code != 0


def test_what_can_not_work_is_refused_with_what_to_do(rayfaas: Terminal, tmp_path: Path) -> None:
    assert "join-token" in rayfaas("gateway", "join", "rfj_nothing", "--home", str(tmp_path)).err
    refused = rayfaas("gateway", "run", "--cluster-address", "here", "--home", str(tmp_path))
    assert (refused.code, "is not HOST:PORT" in refused.err) == (2, True)
