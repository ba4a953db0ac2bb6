"""The first call of a function that nobody called for a while: how long it takes when nothing of it runs.

rayfaas' executors end when they are idle, Ray Serve's replicas when min_replicas is 0; that is waited for, then called.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import rayfaas
from benchmarks.endpoint import Caller, Endpoint
from benchmarks.errors import BenchmarkError
from benchmarks.plan import Plan, Say
from benchmarks.report import Section, samples_table
from benchmarks.samples import Samples
from benchmarks.serve_session import ServeSession
from benchmarks.systems.rayfaas_server import start_server
from benchmarks.systems.system import APPS
from benchmarks.turn import Turn

_GONE_S = 120.0
_LOOK_S = 0.2


def run(plan: Plan, directory: Path, say: Say) -> Section:
    with Turn(os.environ) as turn:
        ours = measure_rayfaas(turn, plan.cold_starts)
    say(f"rayfaas: {ours}")
    with Turn(os.environ) as turn:
        theirs = measure_serve(turn, plan.cold_starts)
    say(f"Ray Serve: {theirs}")
    table = samples_table({"rayfaas, no executor": ours, "Ray Serve, `min_replicas=0`": theirs})
    text = (
        f"{table}\n\n"
        "A call over HTTP to a function that imports numpy, pandas and scikit-learn, of which no process runs; the "
        "cluster is up."
    )
    return Section.of_now("cold", "Cold start", text, {"rayfaas": asdict(ours), "ray_serve": asdict(theirs)})


def measure_rayfaas(turn: Turn, samples: int) -> Samples:
    server = start_server(turn)
    turn.run(
        *(sys.executable, "-m", "rayfaas", "deploy", str(APPS / "predict_rayfaas.py")),
        env={"RAYFAAS_HOME": str(server.home)},
    )
    with rayfaas.Client(url=server.url, token=server.token) as client:
        return measure_cold_calls(lambda: executors(client), server.endpoint("predict"), samples)


def executors(client: rayfaas.Client) -> int:
    """How many versions of functions have an executor."""
    return sum(len(replica["hosted"]) for replica in client.status()["replicas"])


def measure_serve(turn: Turn, samples: int) -> Samples:
    session = ServeSession(turn, "SCALING")
    session.run()
    return measure_cold_calls(session.replicas, session.endpoint, samples)


def measure_cold_calls(running: Callable[[], int], endpoint: Endpoint, samples: int) -> Samples:
    """Call once, then so many times wait until nothing is running and call."""
    call(endpoint)
    seconds = []
    for _ in range(samples):
        wait_for_none(running)
        started = time.perf_counter()
        call(endpoint)
        seconds.append(time.perf_counter() - started)
    return Samples.of_seconds(seconds)


def call(endpoint: Endpoint) -> None:
    with Caller(endpoint, timeout_s=120.0) as caller:
        answer = caller.post()
    if answer.status != 200 or answer.json()["x"] != 1:
        raise BenchmarkError(f"{endpoint.url} answered {answer}")


def wait_for_none(running: Callable[[], int]) -> None:
    deadline = time.monotonic() + _GONE_S
    while running():
        if time.monotonic() > deadline:
            raise BenchmarkError(f"something was still running after {_GONE_S:.0f} s")
        time.sleep(_LOOK_S)
