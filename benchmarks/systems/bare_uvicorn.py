"""uvicorn with a Starlette endpoint that does nothing else: the limit of an HTTP server in Python."""

from __future__ import annotations

import sys

from benchmarks.endpoint import Endpoint
from benchmarks.systems.system import APPS, System, free_port
from benchmarks.turn import Turn


def start(turn: Turn) -> Endpoint:
    port = free_port()
    options = ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--port", str(port)]
    turn.spawn(sys.executable, "-m", "uvicorn", "uvicorn_app:app", "--app-dir", APPS, *options)
    return Endpoint(f"http://127.0.0.1:{port}/")


SYSTEM = System(
    name="bare uvicorn",
    distribution="uvicorn",
    configuration="Starlette echo in 1 process: no token, no record, no function's process",
    start=start,
)
