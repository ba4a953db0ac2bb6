"""The command line, each command as a process of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.e2e.conftest import Server

Write = Callable[[str, str], Path]

GREET = """
import rayfaas

@rayfaas.function()
def greet(name: str, times: int = 1) -> str:
    print("greeting", name)
    return " ".join([f"Hello {name}!"] * times)

@rayfaas.function()
def greet_all(names: list[str]):
    yield from map(greet, names)

@rayfaas.function()
def rude() -> None:
    raise ValueError("no")
"""


def test_from_the_file_to_the_usage(server: Server, write: Write) -> None:
    file = write("greetings.py", GREET)
    deployed = server.rayfaas("deploy", file, "-m", "first", "--json")
    assert deployed.returncode == 0, deployed.stderr
    assert {d["function"]: d["version"] for d in json.loads(deployed.stdout)} == {
        "default/greet": 1,
        "default/greet_all": 1,
        "default/rude": 1,
    }
    assert server.rayfaas("call", "greet", "Ada", "times=2").stdout == '"Hello Ada! Hello Ada!"\n'
    assert server.rayfaas("call", "greet", "-d", "-", input='{"name": "Bo"}').stdout == '"Hello Bo!"\n'
    streamed = server.rayfaas("call", "greet_all", '["Cy", "Di"]', "--stream")
    assert streamed.stdout == '"Hello Cy!"\n"Hello Di!"\n'
    assert streamed.stderr == "greeting Cy\ngreeting Di\n"

    query = "SELECT version, count(*) AS calls FROM calls WHERE function = ? GROUP BY ALL"
    assert json.loads(server.rayfaas("sql", query, "-p", "default/greet", "--json").stdout) == [
        {"version": 1, "calls": 2}
    ]
    assert server.rayfaas("sql", query, "-p", "default/greet", "--csv").stdout.split() == ["version,calls", "1,2"]
    logs = server.rayfaas("logs", "greet").stdout.splitlines()
    assert [line.rpartition(": ")[2] for line in logs] == ["greeting Ada", "greeting Bo"]


def test_an_alias_is_moved_and_versions_are_listed(server: Server, write: Write) -> None:
    file = write("moved.py", "import rayfaas\n\n@rayfaas.function\ndef moved() -> int:\n    return 1\n")
    server.rayfaas("deploy", file)
    file.write_text(file.read_text().replace("return 1", "return 2"))
    assert server.rayfaas("deploy", file, "--alias", "next").stdout.startswith("default/moved:2 is next")
    assert server.rayfaas("call", "moved").stdout == "1\n"
    assert server.rayfaas("alias", "moved", "live", "2", "--message", "tried").returncode == 0
    assert server.rayfaas("call", "moved").stdout == "2\n"
    versions = json.loads(server.rayfaas("versions", "moved", "--json").stdout)
    assert [v["version"] for v in versions] == [2, 1]
    assert "live → 2, next → 2" in server.rayfaas("functions").stdout


def test_a_token_is_made_used_and_revoked(server: Server) -> None:
    made = json.loads(server.rayfaas("token", "create", "ci", "--role", "viewer", "--expires", "1h", "--json").stdout)
    as_ci = {"RAYFAAS_URL": server.url, "RAYFAAS_TOKEN": made["token"]}
    assert server.rayfaas("functions", environ=as_ci).returncode == 0
    refused = server.rayfaas("token", "list", environ=as_ci)
    assert (refused.returncode, "admin" in refused.stderr) == (4, True)
    assert made["id"] in server.rayfaas("token", "list").stdout
    assert server.rayfaas("token", "revoke", made["id"]).returncode == 0
    assert server.rayfaas("functions", environ=as_ci).returncode == 4


def test_exit_codes_tell_what_went_wrong(server: Server, write: Write) -> None:
    server.rayfaas("deploy", write("greetings.py", GREET), "rude")
    raised = server.rayfaas("call", "rude")
    assert (raised.returncode, "ValueError: no" in raised.stderr) == (6, True)
    assert server.rayfaas("call", "no_such").returncode == 3
    assert server.rayfaas("call", "greet", "times=x").returncode == 1
    assert server.rayfaas("nonsense").returncode == 2
    assert server.rayfaas("sql", "DROP TABLE calls").returncode == 1
    away = server.rayfaas("functions", environ={"RAYFAAS_URL": "http://127.0.0.1:9"})
    assert (away.returncode, "rayfaas up" in away.stderr) == (5, True)


def test_status_shows_nodes_and_replicas_and_a_second_up_is_refused(server: Server) -> None:
    status = server.rayfaas("status").stdout
    assert "16 CPU, 1 GPU" in status
    assert "warm" in status
    again = server.rayfaas("up")
    assert again.returncode == 1
    assert f"at {server.url}" in again.stderr
