"""Teams, tokens and protected aliases as people use them; and an attack: one team's token on every route of the served
document, at another team's private things."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import Server

Write = Callable[[str, str], Path]

CELLAR = """
import rayfaas

@rayfaas.function(access="team")
def cellar(x: int = 1) -> int:
    print("down here")
    return x
"""
PARAMETER = {
    "alias": "live", "version": "1", "grantee": "eve", "kind": "team", "digest": "0" * 64, "cluster": "local",
    "group": "none", "machine": "none", "node": "0123abcd", "token_id": "none", "target": "", "principal": "zoe",
    "view": "functions", "gateway": "none", "schedule": "yearly",
}  # fmt: skip
CHANGING = ("/v1/tokens", "/v1/clusters", "/v1/nodes", "/v1/limits", "/v1/bundles", "/docs")


def as_(server: Server, token: str) -> dict[str, str]:
    return {"RAYFAAS_URL": server.url, "RAYFAAS_TOKEN": token}


def make(server: Server, *words: str) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(server.rayfaas("token", "create", *words, "--json").stdout)
    return made


def test_a_member_of_two_teams_loses_one_with_all_tokens(server: Server, write: Write) -> None:
    file = write("mine.py", "import rayfaas\n\n@rayfaas.function\ndef mine() -> int:\n    return 1\n")
    sam = as_(server, make(server, "sam", "--team", "red=deployer", "--team", "blue=invoker")["token"])
    assert "red/mine:1 is live" in server.rayfaas("deploy", file, environ=sam).stdout
    assert server.rayfaas("call", "mine", environ=sam).stdout == "1\n"
    blue = {**sam, "RAYFAAS_TEAM": "blue"}
    assert server.rayfaas("call", "red/mine", environ=blue).stdout == "1\n"
    assert server.rayfaas("call", "red/mine", environ={**sam, "RAYFAAS_TEAM": "green"}).returncode == 4
    assert "sam" in server.rayfaas("team", "show", "blue", environ=sam).stdout
    assert server.rayfaas("team", "remove", "red", "sam", "-m", "moved").returncode == 0
    refused = server.rayfaas("alias", "red/mine", "live", "1", environ=sam)
    assert refused.returncode == 4
    assert server.rayfaas("call", "red/mine", environ=sam).stdout == "1\n"
    assert server.rayfaas("team", "remove", "blue", "sam").returncode == 0
    assert server.rayfaas("call", "red/mine", environ=sam).returncode == 4


def test_a_token_is_rotated_with_an_overlap_and_is_for_its_function_alone(server: Server, write: Write) -> None:
    file = write("two.py", "import rayfaas\n\n@rayfaas.function\ndef one() -> int:\n    return 1\n")
    assert server.rayfaas("deploy", file).returncode == 0
    old = make(server, "robot", "--team", "default=deployer", "--function", "default/one", "--name", "robot")["token"]
    new = server.rayfaas("token", "rotate", "robot", "--overlap", "1h").stdout.strip()
    for token in (old, new):
        assert server.rayfaas("call", "one", environ=as_(server, token)).stdout == "1\n"
        assert server.rayfaas("deploy", file, environ=as_(server, token)).returncode == 0
        assert server.rayfaas("sql", "SELECT 1", environ=as_(server, token)).returncode == 4
    assert server.rayfaas("token", "revoke", "robot").returncode == 0
    for token in (old, new):
        assert server.rayfaas("call", "one", environ=as_(server, token)).returncode == 4


def test_nobody_moves_a_protected_alias_but_who_may(server: Server, write: Write) -> None:
    file = write("safe.py", "import rayfaas\n\n@rayfaas.function\ndef safe() -> int:\n    return 1\n")
    assert server.rayfaas("deploy", file, "--alias", "prod").returncode == 0
    assert "There is nobody called 'ann'" in server.rayfaas("protect", "safe", "prod", "--who", "ann").stderr
    ann = as_(server, make(server, "ann", "--team", "default=deployer")["token"])
    assert "ann" in server.rayfaas("protect", "safe", "prod", "--who", "ann", "-m", "audited").stdout
    file.write_text(file.read_text().replace("return 1", "return 2"))
    refused = server.rayfaas("deploy", file, "--alias", "prod")
    assert (refused.returncode, "ann may move it" in refused.stderr) == (4, True)
    assert server.rayfaas("deploy", file).returncode == 0
    assert server.rayfaas("rollback", "safe", "--alias", "prod").returncode == 4
    assert server.rayfaas("delete", "safe", "--yes").returncode != 0
    assert server.rayfaas("alias", "safe", "prod", "2", environ=ann).returncode == 0
    assert server.rayfaas("protect", "safe", "prod", "--none", environ=ann).returncode == 4
    assert server.rayfaas("protect", "safe", "prod", "--none").returncode == 0
    assert server.rayfaas("alias", "safe", "prod", "1").returncode == 0


@pytest.fixture
def private(server: Server, write: Write) -> str:
    """The id of a spawned call of default/cellar, which is for its own team, and has a secret and a schedule."""
    assert server.rayfaas("deploy", write("cellar.py", CELLAR)).returncode == 0
    assert server.rayfaas("secrets", "set", "cellar", "KEY=x").returncode == 0
    assert server.rayfaas("schedule", "cellar", "0 0 1 1 *", "--name", "yearly").returncode == 0
    spawned = server.http.post("/call/cellar", json={}, headers={"Prefer": "respond-async"})
    call = spawned.json()["call"]
    assert server.http.get(f"/calls/{call}/result", headers={"Prefer": "wait=30"}).json() == 1
    return str(call)


def requests(document: dict[str, Any], call: str, name: str, team: str) -> list[tuple[str, str]]:
    """Method and path of each operation of the document, aimed at one function, one call and one team."""
    found = []
    for path, operations in document["paths"].items():
        if path.startswith("/call/") and path != "/call/{target}":
            continue
        aimed = path.replace("{target}", f"{team}/{name}").replace("{call}", call)
        aimed = aimed.replace("{team}", team).replace("{name}", name)
        aimed = re.sub(r"\{(\w+)\}", lambda each: PARAMETER[each[1]], aimed)
        found += [(method.upper(), aimed) for method in operations if not aimed.startswith(CHANGING)]
    return found


@pytest.mark.parametrize("role", ["viewer", "invoker", "deployer"])
def test_another_teams_token_learns_nothing_of_what_is_private(server: Server, private: str, role: str) -> None:
    absent = "01900000-0000-7000-8000-000000000000"
    document = server.http.get("/openapi.json").json()
    token = make(server, f"eve-{role}", "--team", f"eve={role}")["token"]
    with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {token}"}, timeout=60) as eve:
        there = requests(document, private, "cellar", "default")
        none = requests(document, absent, "cellaz", "default")
        leaks: list[tuple[str, ...]] = []
        assert len(there) > 40
        for (method, path), (_, other) in zip(there, none, strict=True):
            body = {"sql": "SELECT 1"} if path == "/v1/sql" else {}
            query = {"of": "default/cellar:1", "principal": "zoe", "function": "default/cellar"}
            found = eve.request(method, path, json=body, params=query)
            query |= {"of": "default/cellaz:1", "function": "default/cellaz"}
            missing = eve.request(method, other, json=body, params=query)
            told = found.text.replace("cellar", "cellaz").replace(private, absent)
            is_of_the_server = path in ("/v1/status", "/v1/environments", "/v1/nodes", "/openapi.json")
            if found.status_code != missing.status_code or (told != missing.text and not is_of_the_server):
                leaks.append((method, path, found.text, missing.text))
            if missing.status_code < 300 and "cellar" in found.text:
                leaks.append((method, path, found.text, ""))
            assert "down here" not in found.text
        assert leaks == []
        views = eve.post("/v1/sql", json={"sql": 'SELECT DISTINCT "view" FROM view_columns'}).json()["rows"]
        for (view,) in views:
            rows = eve.post("/v1/sql", json={"sql": f"SELECT * FROM {view}"})
            assert (rows.status_code, "cellar" in rows.text, "down here" in rows.text) == (200, False, False), view
        digest = server.http.get("/v1/functions/default/cellar/versions/1").json()["bundle"]
        theft = {"bundle": digest, "entry": {"kind": "module", "module": "cellar", "name": "cellar"}}
        theft |= {"spec": {}, "syntax_digest": "0", "provenance": {}}
        stolen = eve.post("/v1/functions/eve/stolen/versions", json=theft)
        assert stolen.status_code in (403, 404), stolen.text
        assert eve.head(f"/v1/bundles/{digest}").status_code in (403, 404)


def test_wrong_tokens_are_limited_and_right_ones_are_not(server: Server, tmp_path: Path) -> None:
    statuses = [
        httpx.get(f"{server.url}/v1/whoami", headers={"Authorization": f"Bearer guess{n}"}).status_code
        for n in range(60)
    ]
    assert statuses[0] == 401
    assert 429 in statuses
    assert server.http.get("/v1/whoami").status_code == 200
