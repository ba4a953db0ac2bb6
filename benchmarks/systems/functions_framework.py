"""Google's functions-framework: https://github.com/GoogleCloudPlatform/functions-framework-python

Its production server is gunicorn: threads for `def`, and with --asgi workers of uvicorn for `async def`, the faster.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.endpoint import Endpoint
from benchmarks.environments import Environment
from benchmarks.systems.system import APPS, System, free_port
from benchmarks.turn import Turn

ENVIRONMENT = Environment("functions-framework", ("functions-framework==3.10.2", "uvloop==0.22.1", "httptools==0.7.1"))
WORKERS = {"WORKERS": "2"}


def start(turn: Turn) -> Endpoint:
    return _start(turn, "functions_framework_app.py")


def start_async(turn: Turn) -> Endpoint:
    return _start(turn, "functions_framework_async_app.py", "--asgi")


def _start(turn: Turn, source: str, *options: str) -> Endpoint:
    port = free_port()
    command: list[str | Path | int] = [ENVIRONMENT.binary("functions-framework"), "--target", "noop"]
    command += ["--source", APPS / source, "--host", "127.0.0.1", "--port", port, *options]
    turn.spawn(*command, env=WORKERS)
    return Endpoint(f"http://127.0.0.1:{port}/")


SYSTEM = System(
    name="functions-framework",
    distribution="functions-framework",
    configuration="gunicorn, `def`, 2 workers with threads",
    start=start,
    environment=ENVIRONMENT,
)
ASYNC_SYSTEM = System(
    name="functions-framework, async",
    distribution="functions-framework",
    configuration="gunicorn, `async def`, 2 workers of uvicorn",
    start=start_async,
    environment=ENVIRONMENT,
)
