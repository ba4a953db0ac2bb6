"""Worker groups from flags and from files, their machines as a table with reasons, and what is asked of the server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.terminal import Terminal
from tests.scripted_server import routes

GROUP = {
    "cluster": "local",
    "name": "gpu",
    "cpus": 1.0,
    "gpus": 1.0,
    "max": 4,
    "kept": 0,
    "keep_alive_s": 600.0,
    "nodes": [{"name": "gpu-1", "state": "STOPPED", "reason": "no call for 601 s, and it is kept for 600 s"}],
}
LOCAL = {"cluster": "local", "state": "stopped", "reason": "no call for 901 s, and it is kept for 900 s"}
FILE = """
cluster = "lab"

[groups.gpu]
gpus = 1
max = 4

[groups.large]
cpus = 8
up = ["mon-fri 08:00-18:00"]
"""


@pytest.fixture
def served(rayfaas: Terminal) -> Terminal:
    paths = {
        "PUT /v1/clusters/local/groups/gpu": {},
        "PUT /v1/clusters/lab/groups/gpu": {},
        "PUT /v1/clusters/lab/groups/large": {},
        "GET /v1/clusters/local/groups": {"groups": [GROUP]},
        "DELETE /v1/clusters/local/groups/gpu": {},
        "GET /v1/clusters": {"clusters": [LOCAL]},
        "GET /v1/clusters/nowhere/groups": {"groups": []},
        "POST /v1/clusters/local/start": {},
        "POST /v1/clusters/local/stop": {},
        "POST /v1/clusters/local/groups/gpu/warm": {},
        "POST /v1/clusters/local/machines/gpu-1/hold": {},
        "POST /v1/clusters/local/machines/gpu-1/stop": {},
    }
    rayfaas.serve(routes(paths))
    return rayfaas


def test_a_cluster_that_nobody_knows_is_not_shown_as_an_empty_one(served: Terminal) -> None:
    code, out, err = served("cluster", "show", "nowhere")
    assert (code, out) == (3, "")
    assert "There is no cluster nowhere. `rayfaas cluster list` shows them." in err


def test_a_group_is_made_of_flags(served: Terminal) -> None:
    ended = served("cluster", "add", "gpu", "--gpus", "1", "--max", "4", "--keep-alive", "30s")
    assert ended.code == 0, ended.err
    sent = served.requests[0].json()
    assert (sent["gpus"], sent["max"], sent["keep_alive"]) == (1.0, 4, "30s")
    assert "name" not in sent


@pytest.mark.parametrize("wrong", [("--keep-alive", "soon"), ("--up", "weekdays"), ("--max", "-1")])
def test_flags_that_are_wrong_are_named_and_nothing_is_sent(served: Terminal, wrong: tuple[str, str]) -> None:
    ended = served("cluster", "add", "gpu", *wrong)
    assert ended.code != 0
    assert wrong[0].strip("-").replace("-", "_") in ended.err
    assert served.requests == []


def test_flags_say_where_machines_come_from(served: Terminal) -> None:
    flags = ("--provider", "aws", "--type", "g5.2xlarge", "--region", "us-east-1", "--spot", "--disk-gb", "200")
    ended = served("cluster", "add", "gpu", "--gpus", "1", *flags)
    assert ended.code == 0, ended.err
    (placement,) = served.requests[0].json()["placements"]
    said = {"provider": "aws", "type": "g5.2xlarge", "place": "us-east-1", "spot": True, "disk_gb": 200}
    assert placement == {"image": "", "options": {}, **said}


def test_what_a_machine_is_needs_to_say_whose_it_is(served: Terminal) -> None:
    ended = served("cluster", "add", "gpu", "--spot", "--type", "g5.2xlarge")
    assert ended.code != 0
    assert "--type needs --provider" in ended.err
    assert served.requests == []


def test_groups_are_made_of_a_file(served: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "lab.toml"
    file.write_text(FILE)
    ended = served("cluster", "create", str(file))
    assert (ended.code, ended.out) == (0, "lab/gpu, lab/large: set.\n")
    assert [request.json()["cpus"] for request in served.requests] == [1.0, 8.0]


@pytest.mark.parametrize("text", ["[groups", "gpus = 1", "[groups.gpu]\ncolour = 'red'", "[groups]\ngpu = 1"])
def test_a_file_that_is_wrong_is_named_and_nothing_is_sent(served: Terminal, tmp_path: Path, text: str) -> None:
    file = tmp_path / "lab.toml"
    file.write_text(text)
    ended = served("cluster", "create", str(file))
    assert ended.code != 0
    assert "lab.toml" in ended.err.replace("\n", "")
    assert served.requests == []


def test_machines_are_shown_with_the_reason(served: Terminal) -> None:
    shown = served("cluster", "show")
    assert shown.out.splitlines()[0] == "local is stopped: no call for 901 s, and it is kept for 900 s"
    assert shown.lines[3][:4] == ["gpu", "1", "GPU,", "1"]
    assert shown.lines[4][:5] == ["gpu-1", "STOPPED", "no", "call", "for"]
    assert served("cluster", "show", "--json").json == [GROUP]


def test_machines_are_warmed_held_and_stopped(served: Terminal) -> None:
    for asked in (
        ("cluster", "start", "gpu", "--for", "2h"),
        ("nodes", "warm", "gpu", "--for", "2h", "--number", "3"),
        ("nodes", "hold", "gpu-1", "--for", "3h"),
        ("cluster", "stop", "gpu-1", "--now"),
    ):
        assert served(*asked).code == 0
    assert [request.json() for request in served.requests] == [
        {"number": 1, "for": "2h"},
        {"number": 3, "for": "2h"},
        {"for": "3h"},
        {"now": True},
    ]
    assert served("cluster", "delete", "gpu").code == 0


def test_a_whole_cluster_is_started_and_stopped_by_its_name(served: Terminal) -> None:
    for asked in (("start", "local", "--for", "2h"), ("stop", "local"), ("stop", "local", "--now")):
        assert served("cluster", *asked).code == 0
    assert [(request.path, request.json()) for request in served.requests] == [
        ("/v1/clusters/local/start", {"for": "2h"}),
        ("/v1/clusters/local/stop", {"now": False}),
        ("/v1/clusters/local/stop", {"now": True}),
    ]
