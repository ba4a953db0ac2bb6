"""rayfaas as `rayfaas up` starts it, with authentication and the recording of calls, as it always is."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.endpoint import Endpoint
from benchmarks.systems.system import APPS, System, free_port
from benchmarks.turn import Turn

_UP_S = 200.0


@dataclass(frozen=True)
class Server:
    """A server that is up, with a warm replica."""

    home: Path
    url: str
    token: str

    def endpoint(self, function: str) -> Endpoint:
        return Endpoint(f"{self.url}/call/{function}", {"Authorization": f"Bearer {self.token}"})


def start(turn: Turn) -> Endpoint:
    server = start_server(turn)
    turn.run(sys.executable, "-m", "rayfaas", "deploy", APPS / "noop.py", env={"RAYFAAS_HOME": str(server.home)})
    return server.endpoint("noop")


def start_server(turn: Turn, *more: str) -> Server:
    """`more` options of `rayfaas up`."""
    home = turn.directory / "home"
    options = ["--port", str(free_port()), "--cpus", "2", *more]
    turn.run(sys.executable, "-m", "rayfaas", "up", *options, env={"RAYFAAS_HOME": str(home)}, timeout_s=_UP_S)
    return Server(home, json.loads((home / "server.json").read_text())["url"], (home / "token").read_text())


SYSTEM = System(
    name="rayfaas",
    distribution="rayfaas",
    configuration="`def`, 1 gateway; bearer token checked and every call recorded",
    start=start,
)
