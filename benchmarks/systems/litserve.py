"""LitServe: https://lightning.ai/docs/litserve"""

from __future__ import annotations

from benchmarks.endpoint import Endpoint
from benchmarks.environments import Environment
from benchmarks.systems.system import APPS, System, free_port
from benchmarks.turn import Turn

ENVIRONMENT = Environment("litserve", ("litserve==0.2.19", "uvloop==0.22.1", "httptools==0.7.1"))


def start(turn: Turn) -> Endpoint:
    port = free_port()
    turn.spawn(ENVIRONMENT.python, APPS / "litserve_app.py", port)
    return Endpoint(f"http://127.0.0.1:{port}/predict")


SYSTEM = System(
    name="LitServe",
    distribution="litserve",
    configuration="2 workers, fast queue, uvloop and httptools",
    start=start,
    environment=ENVIRONMENT,
)
