"""Deploys as people make them: while others call, while others deploy, and when they go wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.e2e.conftest import Server, eventually

Write = Callable[[str, str], Path]

AREA = """
import rayfaas

@rayfaas.function()
def {name}(width: float, height: float = 1.0) -> float:
    return width * height
"""


EDITED = """
import near
import rayfaas

@rayfaas.function
def edited(x: int) -> int:
    print("at", x)
    return x * near.FACTOR
"""


def deploys(server: Server, name: str) -> list[list[Any]]:
    query = "SELECT version, alias, outcome, code FROM deploys WHERE function = ? ORDER BY began_at"
    return server.sql(query, f"default/{name}")


def test_who_calls_it_is_not_broken_unless_that_is_meant(server: Server, write: Write) -> None:
    file = write("field.py", AREA.format(name="field"))
    made = json.loads(server.rayfaas("token", "create", "eve", "--json").stdout)
    eve = {"RAYFAAS_URL": server.url, "RAYFAAS_TOKEN": made["token"]}
    assert server.rayfaas("deploy", file, "-m", "first").returncode == 0
    assert server.rayfaas("call", "field", "2", "height=3", environ=eve).stdout == "6.0\n"
    file.write_text(AREA.format(name="field").replace(", height: float = 1.0", "").replace("* height", ""))
    plan = server.rayfaas("deploy", file, "--plan").stdout
    assert "changed field.py" in plan
    assert "1 calls in 30 days" in plan
    refused = server.rayfaas("deploy", file)
    assert refused.returncode == 1
    assert "This would break who called default/field@live in the last 30 days: height is gone." in refused.stderr
    assert server.rayfaas("call", "field", "2", "height=3").stdout == "6.0\n"
    assert server.rayfaas("deploy", file, "--alias", "next").returncode == 0
    assert "default/field:2 is live" in server.rayfaas("deploy", file, "--breaking").stdout
    assert server.rayfaas("call", "field", "2").stdout == "2.0\n"
    assert deploys(server, "field") == [
        [1, "live", "SUCCEEDED", None],
        [2, "live", "FAILED", "breaking_change"],
        [2, "next", "SUCCEEDED", None],
        [2, "live", "SUCCEEDED", None],
    ]


def test_the_later_of_two_people_is_told(server: Server, write: Write, tmp_path: Path) -> None:
    made = json.loads(server.rayfaas("token", "create", "bob", "--role", "deployer", "--json").stdout)
    bob = {"RAYFAAS_URL": server.url, "RAYFAAS_TOKEN": made["token"], "RAYFAAS_HOME": str(tmp_path / "bob")}
    file = write("shared.py", AREA.format(name="shared"))
    assert server.rayfaas("deploy", file).returncode == 0
    file.write_text(file.read_text() + "X = 1\n")
    assert "it was 1" in server.rayfaas("deploy", file, environ=bob).stdout
    file.write_text(file.read_text() + "Y = 1\n")
    told = server.rayfaas("deploy", file)
    assert (told.returncode, "bob moved default/shared@live to version 2" in told.stderr) == (1, True)
    assert "shared:3 is live, it was 2" in server.rayfaas("deploy", file, "--force").stdout
    assert server.rayfaas("deploy", file).returncode == 0


def test_code_comes_back_and_is_the_same_version_when_it_is_deployed_again(
    server: Server, write: Write, tmp_path: Path
) -> None:
    write("shapes.py", "FACTOR = 1\n")
    file = write("pulled.py", "import shapes\n" + AREA.format(name="pulled"))
    server.rayfaas("deploy", file)
    first = file.read_text()
    file.write_text(first.replace("return", "return shapes.FACTOR *"))
    server.rayfaas("deploy", file)
    assert server.rayfaas("source", "pulled:1").stdout == first
    difference = server.rayfaas("diff", "pulled", "1", "2").stdout
    assert "-    return width * height\n+    return shapes.FACTOR * width * height\n" in difference
    there = tmp_path / "there"
    assert server.rayfaas("pull", "pulled:1", there).returncode == 0
    assert sorted(path.name for path in there.iterdir()) == ["pulled.py", "shapes.py"]
    assert "default/pulled:1 is live (unchanged code), it was 2" in server.rayfaas("deploy", there / "pulled.py").stdout


def test_what_is_saved_is_deployed_and_called(server: Server, write: Write) -> None:
    near = write("near.py", "FACTOR = 1\n")
    file = write("edited.py", EDITED)
    command = [sys.executable, "-m", "rayfaas", "dev", str(file), "--call", '{"x": 2}']
    with (
        (file.parent / "out").open("w+") as out,
        subprocess.Popen(command, env=server.environ, stdout=out, stderr=subprocess.STDOUT) as dev,
    ):

        def shows(text: str) -> bool:
            return text in (file.parent / "out").read_text()

        try:
            eventually(lambda: shows("\n2\n"))
            assert shows("at 2\n")
            near.write_text("FACTOR = 10\n")
            eventually(lambda: shows("\n20\n"))
            near.write_text("FACTOR = \n")
            eventually(lambda: shows("near.py:1 does not parse"))
            near.write_text("import no_such_module\n")
            eventually(lambda: shows("No module named 'no_such_module'"))
            near.write_text("FACTOR = 100\n")
            eventually(lambda: shows("\n200\n"))
            alias = f"dev-{server.http.get('/v1/whoami').json()['principal']}"
            server.call(f"edited@{alias}", {"x": 7})
            eventually(lambda: shows("at 7\n"))
            aliases = server.http.get("/v1/functions/default/edited").json()["aliases"]
            assert [each["alias"] for each in aliases] == [alias]
        finally:
            dev.send_signal(signal.SIGINT)
            assert dev.wait(20) == 0


# Deploys that go wrong


def live(server: Server, write: Write, name: str) -> Path:
    file = write(f"{name}.py", AREA.format(name=name))
    assert server.rayfaas("deploy", file).returncode == 0
    return file


@pytest.mark.parametrize(
    ("name", "code", "told"),
    [
        ("endless", "import time\nwhile True: time.sleep(1)\n", "was still importing after"),
        ("dying", "import os\nos.kill(os.getpid(), 9)\n", "was killed by SIGKILL while it imported dying"),
        ("leaving", "import os\nos._exit(3)\n", "exited with code 3 while it imported leaving"),
    ],
)
def test_code_that_can_not_be_imported_leaves_the_old_version(
    server: Server, write: Write, name: str, code: str, told: str
) -> None:
    file = live(server, write, name)
    file.write_text(code + file.read_text())
    failed = server.rayfaas("deploy", file, "--timeout", "3")
    assert (failed.returncode, told in failed.stderr) == (1, True), failed.stderr
    assert server.call(name, {"width": 2}) == 2.0
    assert deploys(server, name)[1:] == [[2, "live", "FAILED", "import_failed"]]
    assert told in json.loads(server.rayfaas("versions", name, "--json").stdout)[0]["failure"]


def test_who_leaves_in_the_middle_has_given_it_up(server: Server, write: Write) -> None:
    file = live(server, write, "left")
    file.write_text("import time\ntime.sleep(20)\n" + file.read_text())
    command = [sys.executable, "-m", "rayfaas", "deploy", str(file)]
    with subprocess.Popen(command, env=server.environ, stderr=subprocess.DEVNULL) as deploying:
        eventually(lambda: server.sql("SELECT 1 FROM versions WHERE name = 'left' AND state = 'PENDING'"))
        deploying.kill()
    eventually(lambda: deploys(server, "left")[1:] == [[2, "live", "CANCELLED", None]])
    assert server.call("left", {"width": 2}) == 2.0


def test_a_controller_that_is_killed_in_the_middle_leaves_the_old_version(server: Server, write: Write) -> None:
    file = live(server, write, "killed")
    text = file.read_text()
    file.write_text("import time\ntime.sleep(20)\n" + text)
    command = [sys.executable, "-m", "rayfaas", "deploy", str(file)]
    with subprocess.Popen(command, env=server.environ, stderr=subprocess.PIPE, text=True) as deploying:
        eventually(lambda: server.sql("SELECT 1 FROM versions WHERE name = 'killed' AND state = 'PENDING'"))
        (controller,) = server.find("rayfaas.server.controller")
        os.kill(controller.pid, signal.SIGKILL)
        _, told = deploying.communicate(timeout=60)
        assert deploying.returncode == 5, told
    assert server.call("killed", {"width": 2}) == 2.0
    eventually(lambda: server.http.get("/v1/status").status_code == 200 and server.status()["replicas"])
    assert deploys(server, "killed")[1:] == [[2, None, "INTERRUPTED", None]]
    file.write_text(text + "X = 1\n")
    began = time.monotonic()
    again = eventually(lambda: server.rayfaas("deploy", file).stdout)
    assert "default/killed:3 is live" in again, time.monotonic() - began
    assert psutil.pid_exists(server.pid)


def test_a_function_that_nobody_calls_leaves_the_only_gpu_to_the_next_one(server: Server, write: Write) -> None:
    spec = {"shape": {"gpus": 1}}  # whose replicas are kept for 300 s
    server.deploy(write("first_model.py", "def first_model(x):\n    return x\n"), "first_model", spec)
    assert server.call("first_model", 1) == 1
    events = server.deploy(write("second_model.py", "def second_model(x):\n    return -x\n"), "second_model", spec)
    assert events[-1]["event"] == "live"
    assert any("gives way: nobody calls it" in str(event) for event in events), events
    assert server.call("second_model", 1) == -1
    assert server.call("first_model", 2) == 2  # and it comes again
    for name in ("first_model", "second_model"):
        assert server.http.delete(f"/v1/functions/default/{name}").status_code == 200
