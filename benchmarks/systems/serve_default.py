"""Ray Serve with its default proxy."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from benchmarks.endpoint import Endpoint
from benchmarks.systems.system import APPS, System, free_port
from benchmarks.turn import Turn

QUIET = {"RAY_USAGE_STATS_ENABLED": "0"}


def start(turn: Turn, env: Mapping[str, str] = QUIET) -> Endpoint:
    port = free_port()
    turn.spawn(sys.executable, APPS / "serve_app.py", port, turn.directory / "ray", env=env)
    return Endpoint(f"http://127.0.0.1:{port}/")


SYSTEM = System(
    name="Ray Serve, default proxy",
    distribution="ray",
    configuration="`async def`, 1 replica, max_ongoing_requests=1000",
    start=start,
)
