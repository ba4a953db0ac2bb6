"""`rayfaas status` shows nodes and replicas, also where there are none."""

from __future__ import annotations

from typing import Any

from tests.cli.terminal import Terminal
from tests.scripted_server import routes

STATUS: dict[str, Any] = {
    "gateways": [{"slot": 0}],
    "clusters": [
        {
            "cluster": "local",
            "nodes": [
                {"node": "0123456789abcdef", "state": "up", "resources": {"CPU": 4.0, "memory": 1e9, "GPU": 0.5}},
                {"node": "fedcba9876543210", "state": "down", "resources": {}},
            ],
            "applications": {"nlp--a--12": {"status": "RUNNING", "replicas": 0, "message": ""}},
        }
    ],
    "scalings": {"nlp--a--12": "0 to 8"},
    "replicas": [
        {"application": "warm", "replica": "r1", "node": "0123456789abcdef", "hosted": ["b:1", "a:2"]},
    ],
}


def test_nodes_and_replicas_are_shown_with_what_they_host(rayfaas: Terminal) -> None:
    rayfaas.serve(routes({"GET /v1/status": STATUS}))
    code, out, err = rayfaas("status")
    assert (code, err) == (0, "")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "1 gateway(s)" in lines[0]
    assert "local 0123456789ab up 4 CPU, 0.5 GPU" in lines
    assert "local fedcba987654 down" in lines
    assert "warm r1 0123456789ab a:2, b:1" in lines
    assert "nlp--a--12 local RUNNING 0 0 to 8" in lines


def test_a_replica_that_hosts_many_versions_is_still_one_line(rayfaas: Terminal) -> None:
    hosted = [f"nlp/f{n:02}:1" for n in range(40)]
    rayfaas.serve(routes({"GET /v1/status": {**STATUS, "replicas": [{**STATUS["replicas"][0], "hosted": hosted}]}}))
    out = " ".join(rayfaas("status").out.split())
    assert "nlp/f00:1, nlp/f01:1, nlp/f02:1, nlp/f03:1, nlp/f04:1 and 35 more" in out
    assert rayfaas("status", "--json").json["replicas"][0]["hosted"] == hosted


def test_programs_have_all_that_the_server_says(rayfaas: Terminal) -> None:
    rayfaas.serve(routes({"GET /v1/status": STATUS}))
    assert rayfaas("status", "--json").json == STATUS


def test_a_server_without_a_cluster_shows_empty_tables(rayfaas: Terminal) -> None:
    rayfaas.serve(routes({"GET /v1/status": {"gateways": [], "clusters": [], "replicas": []}}))
    ended = rayfaas("status")
    assert (ended.code, ended.lines[-1]) == (0, ["APPLICATION", "REPLICA", "NODE", "HOSTS"])


def test_a_cluster_that_does_not_say_what_it_has_is_shown(rayfaas: Terminal) -> None:
    hung = {"cluster": "hung", "nodes": [], "applications": {}}
    rayfaas.serve(routes({"GET /v1/status": {**STATUS, "clusters": [hung]}}))
    assert ["hung", "does", "not", "answer"] in rayfaas("status").lines
