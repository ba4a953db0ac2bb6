"""A function calls itself at its times, each once, though the controller is killed when one comes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from tests.e2e.conftest import Server, eventually

NIGHTLY = """
from pathlib import Path
import rayfaas

@rayfaas.function(schedule=rayfaas.Cron("* * * * *", arguments={"path": "PATH"}))
def nightly(path: str) -> None:
    with Path(path).open("a") as file:
        file.write("x")
"""
CALLS = """
    SELECT context ->> '$.schedule.due', state, alias, schedule FROM calls WHERE function = 'default/nightly' ORDER BY 1
"""


def test_a_time_is_called_once_though_the_controller_is_killed_as_it_comes(
    server: Server, write: Callable[[str, str], Path], tmp_path: Path
) -> None:
    written = tmp_path / "written"
    file = write("nightly.py", NIGHTLY.replace("PATH", str(written)))
    assert server.rayfaas("deploy", file).returncode == 0
    (shown,) = json.loads(server.rayfaas("schedules", "nightly", "--json").stdout)
    due = datetime.fromisoformat(shown["next_at"])
    while datetime.now(timezone.utc) < due:
        time.sleep(0.05)
        if (due - datetime.now(timezone.utc)).total_seconds() < 1.5:
            kill_controllers(server)
    kill_controllers(server)
    eventually(lambda: server.http.get("/v1/status").status_code == 200)
    eventually(lambda: [row for row in server.sql(CALLS) if row[1] == "SUCCEEDED"])
    assert server.rayfaas("schedule", "nightly", "--suspend").returncode == 0
    assert server.sql(CALLS) == [[due.isoformat(), "SUCCEEDED", "live", "default/nightly/code"]]
    assert written.read_text() == "x"
    listed = server.rayfaas("schedules").stdout
    assert "suspended by" in listed
    assert "SUCCEEDED" in listed
    assert server.rayfaas("schedule", "nightly", "--remove").stdout == "nightly (code) is removed.\n"


def kill_controllers(server: Server) -> None:
    for process in server.find("rayfaas.server.controller"):
        process.kill()
