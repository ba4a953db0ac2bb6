"""The cache from outside: the page of the docs, two gateways, an executor that dies, and the code's own changes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.conftest import Server, eventually

ROOT = Path(__file__).parents[2]
SPEC = {"cache": True}

SLOW = """
import time
def slow(number, log):
    with open(log, "a") as file: file.write("x")
    time.sleep(0.5)
    return number
"""
PURE = """
MODEL = open({model!r}).read()
def pure(number):
    return [number, MODEL]
"""


def test_the_page_does_what_it_says(server: Server, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tests" / "documented.py", ROOT / "docs" / "caching.md"],
        cwd=tmp_path, env={**server.environ, "COLUMNS": "200"}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def ask(server: Server, target: str, value: Any, **headers: str) -> httpx.Response:
    answer = server.http.post(f"/call/{target}", json=value, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer


def test_of_equal_calls_at_once_one_is_computed(
    server: Server, tmp_path: Path, write: Callable[[str, str], Path]
) -> None:
    server.deploy(write("slow_one.py", SLOW.replace("slow(", "slow_one(")), "slow_one", SPEC | {"concurrency": 4})
    value = {"number": 1, "log": str(tmp_path / "log")}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ask(server, "slow_one", value), range(8)))
    assert {answer.text for answer in answers} == {"1"}
    assert sorted(answer.headers["rayfaas-cache"] for answer in answers) == ["hit"] * 7 + ["miss"]
    assert (tmp_path / "log").read_text() == "x"
    rows = eventually(
        lambda: server.sql(
            "SELECT state, count(*) FROM calls WHERE function = 'default/slow_one' GROUP BY 1 ORDER BY 1"
        )
    )
    assert rows == [["CACHED", 7], ["SUCCEEDED", 1]]


def test_what_is_read_at_import_counts_for_each_call(
    server: Server, tmp_path: Path, write: Callable[[str, str], Path]
) -> None:
    model = tmp_path / "model.txt"
    model.write_text("one")
    code = write("pure.py", PURE.format(model=str(model)))
    server.deploy(code, "pure", SPEC)
    assert ask(server, "pure", 1).headers["rayfaas-cache"] == "miss"
    assert ask(server, "pure", 1).headers["rayfaas-cache"] == "hit"
    code.write_text(code.read_text() + "# a comment\n")
    server.deploy(code, "pure", SPEC)  # without a digest of its syntax another bundle is other code
    assert [ask(server, "pure", 1).headers["rayfaas-cache"] for _ in range(2)] == ["miss", "hit"]
    model.write_text("two")
    changed = ask(server, "pure", 1)
    assert changed.headers["rayfaas-cache"] == "miss"  # though the executor has the old one in memory
    why = server.http.get(f"/calls/{changed.headers['rayfaas-call-id']}/why-miss").json()
    assert why["part"] == "artifact"
    assert why["detail"].startswith(model.as_uri())


def test_comments_hit_and_code_misses_where_the_sdk_deploys(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "shift.py"

    def deployed(text: str) -> str:
        file.write_text("import rayfaas\n@rayfaas.function(cache=True)\ndef shift(a: int) -> int:\n" + text)
        done = server.rayfaas("deploy", file)
        assert done.returncode == 0, done.stderr
        return ask(server, "shift", 1).headers["rayfaas-cache"]

    assert deployed("    return a + 1\n") == "miss"
    assert deployed("    # one more\n    return (a\n            + 1)\n") == "hit"
    assert deployed("    return a + 2\n") == "miss"
    newest = eventually(
        lambda: server.sql("SELECT call FROM calls WHERE function = 'default/shift' ORDER BY accepted_at DESC LIMIT 1")
    )
    told = server.rayfaas("why-miss", newest[0][0])
    assert told.stdout.startswith("code: The code of shift.shift changed between version"), told.stderr
    assert deployed("    return a + 1\n") == "hit"
    lineage = server.rayfaas("lineage", ask(server, "shift", 1).headers["rayfaas-call-id"])
    assert "has the result of" in lineage.stdout, lineage.stderr


def test_results_outlive_every_process(server: Server, write: Callable[[str, str], Path]) -> None:
    server.deploy(write("lasting.py", "def lasting(a): return a"), "lasting", SPEC)
    first = ask(server, "lasting", 1).headers["rayfaas-call-id"]
    for module in ("rayfaas.server.gateway", "rayfaas.server.controller"):
        for process in server.find(module):
            process.kill()

    def hit() -> bool:
        answer = server.http.post("/call/lasting", json=1)
        return answer.status_code == 200 and answer.headers["rayfaas-cached-from"] == first

    assert eventually(hit)
