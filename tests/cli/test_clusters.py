"""What lets a cluster in can be piped; clusters and nodes are tables, and JSON for programs."""

from __future__ import annotations

import pytest

from rayfaas.join_token import JoinToken
from tests.cli.terminal import Terminal
from tests.scripted_server import routes

TOKEN = str(JoinToken("tls:127.0.0.1:1:" + "ab" * 32, "j", b"secret"))
CLUSTER = {"cluster": "lab", "state": "up", "network": True, "replicas": 3}
NODE = {
    "cluster": "lab",
    "node": "0123456789abcdef",
    "address": "10.0.0.2",
    "state": "draining",
    "head": False,
    "resources": {"CPU": 4.0, "memory": 1e9},
    "free": {},
    "replicas": 2,
}


@pytest.fixture
def served(rayfaas: Terminal) -> Terminal:
    rayfaas.serve(
        routes(
            {
                "GET /v1/clusters": {"clusters": [CLUSTER]},
                "POST /v1/clusters": {"cluster": "lab", "token": TOKEN, "expires_in_s": 600},
                "DELETE /v1/clusters/lab": {},
                "GET /v1/nodes": {"nodes": [NODE]},
                "POST /v1/nodes/0123/drain": {"cluster": "lab", "node": NODE["node"]},
            }
        )
    )
    return rayfaas


def test_the_command_to_join_with_is_alone_on_stdout(served: Terminal) -> None:
    ended = served("cluster", "join-token", "--cluster", "lab")
    assert (ended.code, ended.out) == (0, f"rayfaas join {TOKEN}\n")
    assert "as lab" in ended.err
    served("cluster", "join-token")
    assert [request.json() for request in served.requests] == [{"cluster": "lab"}, {}]


def test_clusters_are_listed_and_removed(served: Terminal) -> None:
    assert served("cluster", "list").lines == [["CLUSTER", "STATE", "REPLICAS", "WHY"], ["lab", "up", "3"]]
    assert served("cluster", "list", "--json").json == [CLUSTER]
    assert served("cluster", "remove", "lab") == (0, "lab is removed.\n", "")
    assert served("cluster", "remove", "--now", "LAB").code != 0


def test_nodes_are_listed_and_drained(served: Terminal) -> None:
    assert served("nodes").lines[1] == ["lab", "0123456789ab", "10.0.0.2", "draining", "4", "CPU", "2"]
    assert served("nodes", "--json").json == [NODE]
    drained = served("nodes", "drain", "0123")
    assert (drained.code, drained.out.startswith("0123456789ab of lab is draining")) == (0, True)


def test_what_is_no_token_joins_nothing(rayfaas: Terminal) -> None:
    ended = rayfaas("join", "rfj_nonsense")
    assert ended.code != 0
    assert "no join token" in ended.err


@pytest.mark.parametrize("address", ["here", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:x"])
def test_a_cluster_address_that_is_none_is_refused(rayfaas: Terminal, address: str) -> None:
    ended = rayfaas("up", "--cluster-address", address)
    assert (ended.code, "is not HOST:PORT" in ended.err) == (2, True)


def test_a_cluster_address_of_another_machine_says_what_to_listen_on(rayfaas: Terminal) -> None:
    ended = rayfaas("up", "--cluster-address", "192.0.2.1:8701")
    assert ended.code != 0
    assert "--cluster-listen" in ended.err
