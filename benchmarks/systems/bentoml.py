"""BentoML: https://docs.bentoml.com"""

from __future__ import annotations

from benchmarks.endpoint import Endpoint
from benchmarks.environments import Environment
from benchmarks.systems.system import APPS, System, free_port
from benchmarks.turn import Turn

ENVIRONMENT = Environment("bentoml", ("bentoml==1.4.40", "uvloop==0.22.1", "httptools==0.7.1"))


def start(turn: Turn) -> Endpoint:
    port = free_port()
    turn.spawn(
        ENVIRONMENT.binary("bentoml"),
        *("serve", "bentoml_app:Noop", "--working-dir", APPS, "--host", "127.0.0.1", "--port", port),
        env={"BENTOML_DO_NOT_TRACK": "True", "BENTOML_HOME": str(turn.directory / "bentoml")},
    )
    return Endpoint(f"http://127.0.0.1:{port}/noop")


SYSTEM = System(
    name="BentoML",
    distribution="bentoml",
    configuration="`bentoml serve`, `def`, 2 workers, access log and metrics off",
    start=start,
    environment=ENVIRONMENT,
)
