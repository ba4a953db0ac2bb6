"""From nothing to an answer: a call that starts the whole cluster, beside bare `ray start` and Ray Serve."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import rayfaas
from benchmarks.cold_start import call
from benchmarks.endpoint import Endpoint
from benchmarks.errors import BenchmarkError
from benchmarks.plan import Plan, Say
from benchmarks.report import Section, markdown_table
from benchmarks.samples import Samples
from benchmarks.systems.rayfaas_server import start_server
from benchmarks.systems.serve_default import QUIET
from benchmarks.systems.system import APPS, free_port
from benchmarks.turn import Turn

_UP_S = 120.0
_LOOK_S = 0.02
# What is decided and done until the head's process starts; its parts up; the Serve application; the answer.
PHASES = ("head process", "Ray up", "Serve application", "answered")
_EVENTS = """
SELECT epoch_us(happened_at) / 1e6 AS at, event, reason FROM node_events WHERE node = 'head' ORDER BY happened_at
"""
Times = tuple[float, ...]
"""Of one wake, when each phase was over, in seconds since the call."""


def run(plan: Plan, directory: Path, say: Say) -> Section:
    with Turn(os.environ) as turn:
        ours = measure_rayfaas(turn, plan.wakes, say)
    with Turn(os.environ) as turn:
        theirs = measure_bare(turn, plan.wakes, say)
    text = (
        f"{phases_table({'rayfaas': ours, '`ray start`, then `serve.run`': theirs})}\n\n"
        f"Milliseconds since the call, medians of {plan.wakes}. Nothing of Ray runs before. rayfaas: the call waits at "
        "the gateway for head, agent, warm replica and executor. Bare: the head with the same options, one deployment "
        "with one replica behind the default proxy, and then the call."
    )
    data = {name: [list(times) for times in each] for name, each in (("rayfaas", ours), ("bare", theirs))}
    return Section.of_now("machines", "From no cluster to an answer", text, data)


def phases_table(systems: Mapping[str, Sequence[Times]]) -> str:
    """A row for each system, with the whole last.

    >>> print(phases_table({"a": [(0.1, 1.0, 2.0, 2.5)]}))
    |  | head process | Ray up | Serve application | answered |
    | --- | ---: | ---: | ---: | ---: |
    | a | 100 | 1,000 | 2,000 | 2,500 |
    """
    medians = {
        name: [Samples.of_seconds(each).median_ms for each in zip(*wakes, strict=True)]
        for name, wakes in systems.items()
    }
    rows = [[name, *(f"{each:,.0f}" for each in found)] for name, found in medians.items()]
    return markdown_table(["", *PHASES], rows)


def measure_rayfaas(turn: Turn, wakes: int, say: Say) -> list[Times]:
    server = start_server(turn, "--head-keep-alive", "1s")
    command = (sys.executable, "-m", "rayfaas", "deploy", str(APPS / "noop.py"))
    turn.run(*command, env={"RAYFAAS_HOME": str(server.home)})
    with rayfaas.Client(url=server.url, token=server.token) as client:
        return [wake(client, server.endpoint("noop"), say) for _ in range(wakes)]


def wake(client: rayfaas.Client, endpoint: Endpoint, say: Say) -> Times:
    wait_for(lambda: client.status()["head"]["state"] == "STOPPED")
    called = time.time()
    call(endpoint)
    answered = time.time()
    wait_for(lambda: client.status()["head"]["state"] == "RUNNING")  # its process may tell of it after the answer
    found = [(at, event) for at, event, _ in client.sql(_EVENTS).rows if at >= called]
    process, ray = [at for at, event in found if event == "booting"][:2]
    running = next(at for at, event in found if event == "running")
    times = tuple(at - called for at in (process, ray, min(running, answered), answered))
    say(f"rayfaas: {told(times)}")
    return times


def measure_bare(turn: Turn, wakes: int, say: Say) -> list[Times]:
    return [bare_wake(turn, number, say) for number in range(wakes)]


def bare_wake(turn: Turn, number: int, say: Say) -> Times:
    ports = {name: free_port() for name in ("port", "dashboard-port", "dashboard-agent-listen-port", "http")}
    http = ports.pop("http")
    head_log, live = turn.directory / f"head-{number}.log", turn.directory / f"live-{number}"
    began = time.perf_counter()
    options = [text for name, port in ports.items() for text in (f"--{name}", str(port))]
    head = start_head(turn, head_log, *options)
    process = time.perf_counter()
    wait_for(lambda: "Ray runtime started" in head_log.read_text())
    ray = time.perf_counter()
    serve = turn.spawn(
        sys.executable, APPS / "bare_serve.py", f"127.0.0.1:{ports['port']}", http, live, env={**QUIET, **_AT_ONCE}
    )
    wait_for(lambda: live.exists() or serve.poll() is not None)
    if not live.exists():
        raise BenchmarkError(f"Ray Serve did not come up:\n{turn.log_tail()}")
    running = time.perf_counter()
    call(Endpoint(f"http://127.0.0.1:{http}/"))
    answered = time.perf_counter()
    for each in (serve, head):
        each.terminate()
        each.wait(_UP_S)
    times = tuple(at - began for at in (process, ray, running, answered))
    say(f"bare: {told(times)}")
    return times


_AT_ONCE = {"RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0"}


def start_head(turn: Turn, log: Path, *options: str) -> subprocess.Popen[str]:
    log.touch()
    ray = Path(sys.executable).with_name("ray")
    command = f'exec "$0" start --head --block --disable-usage-stats --num-cpus 2 "$@" > {log} 2>&1'
    shared = ("--node-ip-address", "127.0.0.1", "--temp-dir", str(turn.directory / log.stem))
    quiet = ("--include-log-monitor", "false", "--ray-client-server-port", str(free_port()))
    return turn.spawn("/bin/sh", "-c", command, ray, *shared, *quiet, *options, env={**QUIET, **_AT_ONCE})


def told(times: Times) -> str:
    return ", ".join(f"{phase} {each:.2f} s" for phase, each in zip(PHASES, times, strict=True))


def wait_for(question: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _UP_S
    while not question():
        if time.monotonic() > deadline:
            raise BenchmarkError(f"not within {_UP_S:.0f} s")
        time.sleep(_LOOK_S)
