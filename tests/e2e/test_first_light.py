"""The road of a function: deployed, called, changed, streamed, failing, and asked about in SQL."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.conftest import Server, eventually

Write = Callable[[str, str], Path]

AREA = """
import rayfaas

@rayfaas.function()
def surface(width: float, height: float = 1.0) -> float:
    print("surface of", width, height)
    return width * height
"""


def test_a_deployed_function_answers_and_every_call_is_a_row(server: Server, write: Write) -> None:
    events = server.deploy(write("surface.py", AREA), "surface")
    # On a busy machine a deploy tells that it waits, as often as it takes.
    assert [event["event"] for event in events if event["event"] != "progress"] == ["published", "live"]
    assert server.call("surface", {"width": 2, "height": 3}) == 6
    assert server.call("default/surface@live", {"width": 2}) == 2
    assert server.call("surface:1", 5) == 5

    rows = server.sql(
        "SELECT target, alias, version, state, caller IS NOT NULL, duration_ms >= 0, node IS NOT NULL, bytes_in "
        "FROM calls WHERE function = 'default/surface' ORDER BY accepted_at"
    )
    assert rows == [
        ["surface", "live", 1, "SUCCEEDED", True, True, True, len(b'{"width":2,"height":3}')],
        ["default/surface@live", "live", 1, "SUCCEEDED", True, True, True, len(b'{"width":2}')],
        ["surface:1", None, 1, "SUCCEEDED", True, True, True, len(b"5")],
    ]
    logs = server.http.get("/v1/logs", params={"function": "default/surface"}).json()["logs"]
    assert [line["text"] for line in logs] == ["surface of 2.0 3.0\n", "surface of 2.0 1.0\n", "surface of 5.0 1.0\n"]


def test_an_edit_is_live_without_a_restart_and_old_versions_stay(server: Server, write: Write) -> None:
    file = write("amended.py", AREA.replace("def surface", "def amended"))
    server.deploy(file, "amended")
    assert server.call("amended", {"width": 2}) == 2
    replicas = [r["replica"] for r in server.status()["replicas"]]

    file.write_text(file.read_text().replace("width * height", "-width"))
    assert server.deploy(file, "amended")[-1]["version"] == 2
    assert server.call("amended", {"width": 2}) == -2
    assert server.call("amended:1", {"width": 2}) == 2
    assert [r["replica"] for r in server.status()["replicas"]] == replicas

    again = server.deploy(file, "amended")
    assert again[0] == {"event": "published", "version": 2, "created": False}


def test_local_modules_and_data_travel_as_files(server: Server, tmp_path: Path) -> None:
    package = tmp_path / "shop"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "prices.py").write_text("PRICES = {'tea': 3}\n")
    (package / "service.py").write_text(
        "import rayfaas\nfrom .prices import PRICES\n\n@rayfaas.function\ndef price(of: str) -> int:\n"
        "    return PRICES[of]\n"
    )
    server.deploy(package / "service.py", "price")
    assert server.call("price", {"of": "tea"}) == 3


def test_a_generator_streams_while_it_runs(server: Server, write: Write) -> None:
    text = "import time\n\ndef count(n: int):\n    for i in range(n):\n        yield i\n        time.sleep(0.1)\n"
    server.deploy(write("count.py", text), "count")
    events: list[dict[str, Any]] = []
    with server.http.stream("POST", "/call/count", json={"n": 4}, headers={"Accept": "application/x-ndjson"}) as answer:
        for line in answer.iter_lines():
            events.append(json.loads(line))
            if len(events) == 2:
                # It is in the middle of its work, and the registry says so.
                assert server.sql("SELECT state FROM calls WHERE function = 'default/count'") == [["RUNNING"]]
    assert [event.get("item") for event in events] == [0, 1, 2, 3, None]
    assert events[-1]["done"]["items"] == 4
    assert server.sql("SELECT state, items FROM calls WHERE function = 'default/count'") == [["SUCCEEDED", 4]]


def test_an_exception_reaches_the_caller_with_its_own_traceback(server: Server, write: Write) -> None:
    server.deploy(write("broken.py", "def broken(x: int) -> float:\n    return 1 / x\n"), "broken")
    answer = server.http.post("/call/broken", json={"x": 0})
    problem = answer.json()
    assert answer.status_code == 500
    assert (problem["code"], problem["exception"]) == ("function_error", "ZeroDivisionError")
    assert "broken.py" in problem["traceback"]
    assert "return 1 / x" in problem["traceback"]
    assert "rayfaas" not in problem["traceback"].replace(str(server.home.path), "")


def test_a_code_that_does_not_import_leaves_the_old_version_live(server: Server, write: Write) -> None:
    file = write("good.py", "def good() -> str:\n    return 'good'\n")
    server.deploy(file, "good")
    file.write_text("import no_such_module\n" + file.read_text())
    last = server.deploy(file, "good")[-1]
    assert last["event"] == "error"
    assert last["problem"]["code"] == "import_failed"
    assert "No module named 'no_such_module'" in last["problem"]["traceback"]
    assert server.call("good", None) == "good"
    assert server.http.post("/call/good:2", json=None).status_code == 404
    states = server.sql("SELECT version, state FROM versions WHERE function = 'default/good' ORDER BY version")
    assert states == [[1, "ACTIVE"], [2, "FAILED"]]


def test_a_function_with_a_gpu_gets_a_deployment_of_its_own_and_goes_back_to_zero(server: Server, write: Write) -> None:
    file = write("on_gpu.py", "def on_gpu(x: int) -> int:\n    return x + 1\n")
    spec = {"shape": {"gpus": 1}, "scaling": {"scale_down_after_s": 2, "max_replicas": 1}}
    assert server.deploy(file, "on_gpu", spec)[-1]["event"] == "live"
    assert server.call("on_gpu", 1) == 2

    def replicas() -> list[str]:
        return [r["replica"] for r in server.status()["replicas"] if r["application"].startswith("default--on_gpu--")]

    assert len(replicas()) == 1
    assert eventually(lambda: not replicas(), 60)
    assert server.call("on_gpu", 2) == 3  # parked while a replica starts
    assert server.sql("SELECT cold FROM calls WHERE function = 'default/on_gpu' ORDER BY accepted_at") == [
        [False],
        [True],
    ]
    assert server.sql("SELECT sum(gpu_seconds) > 0 FROM calls WHERE function = 'default/on_gpu'") == [[True]]


def test_rays_dashboard_is_where_the_home_says_and_knows_the_cluster(server: Server) -> None:
    """Nobody waits for it when the cluster starts."""
    dashboard = json.loads(server.home.cluster_file.read_text())["dashboard"]
    headers = {"Authorization": f"Bearer {server.home.ray_token_file.read_text()}"}

    def applications() -> dict[str, Any]:
        answer = httpx.get(f"{dashboard}/api/serve/applications/", headers=headers, timeout=60)
        found: dict[str, Any] = answer.json()["applications"] if answer.status_code == 200 else {}
        return found

    assert "rayfaas" in eventually(applications)
