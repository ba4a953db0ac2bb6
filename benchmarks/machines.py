"""From nothing to an answer: a call that starts the whole cluster, beside bare `ray start` and Ray Serve."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
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
# What is decided until the head is told to end; all that runs on it has ended.
STOP_PHASES = ("told to end", "ended")
_EVENTS = """
SELECT epoch_us(happened_at) / 1e6 AS at, event, reason FROM node_events WHERE node = 'head' ORDER BY happened_at
"""
Times = tuple[float, ...]
"""When each phase was over, in seconds since the call, or since it was decided to stop."""


@dataclass(frozen=True)
class Round:
    """One wake, and the stop after it."""

    wake: Times
    stop: Times

    def __str__(self) -> str:
        phases = zip((*PHASES, *STOP_PHASES), (*self.wake, *self.stop), strict=True)
        return ", ".join(f"{phase} {each:.2f} s" for phase, each in phases)


def run(plan: Plan, directory: Path, say: Say) -> Section:
    with Turn(os.environ) as turn, Turn(os.environ) as bare_turn:
        ours, theirs = measure(turn, bare_turn, plan.wakes, say)
    both = {"rayfaas": ours, "`ray start`, then `serve.run`": theirs}
    text = (
        f"{phases_table(PHASES, {name: [each.wake for each in rounds] for name, rounds in both.items()})}\n\n"
        f"Milliseconds since the call, medians of {plan.wakes}. Nothing of Ray runs before. rayfaas: the call waits at "
        "the gateway for head, agent, warm replica and executor. Bare: the head with the same options, one deployment "
        "with one replica behind the default proxy, and then the call.\n\n"
        f"{phases_table(STOP_PHASES, {name: [each.stop for each in rounds] for name, rounds in both.items()})}\n\n"
        "The same, since it was decided to stop: executors end first. Bare: SIGTERM to `ray start`."
    )
    data = {name: [asdict(each) for each in rounds] for name, rounds in (("rayfaas", ours), ("bare", theirs))}
    return Section.of_now("machines", "From no cluster to an answer", text, data)


def phases_table(phases: Sequence[str], systems: Mapping[str, Sequence[Times]]) -> str:
    """A row for each system, with the whole last.

    >>> print(phases_table(["Ray up", "answered"], {"a": [(1.0, 2.5)]}))
    |  | Ray up | answered |
    | --- | ---: | ---: |
    | a | 1,000 | 2,500 |
    """
    medians = {
        name: [Samples.of_seconds(each).median_ms for each in zip(*times, strict=True)]
        for name, times in systems.items()
    }
    rows = [[name, *(f"{each:,.0f}" for each in found)] for name, found in medians.items()]
    return markdown_table(["", *phases], rows)


def measure(turn: Turn, bare_turn: Turn, wakes: int, say: Say) -> tuple[list[Round], list[Round]]:
    """In turns, so that a slow minute of the machine hits both."""
    server = start_server(turn, "--head-keep-alive", "1s")
    command = (sys.executable, "-m", "rayfaas", "deploy", str(APPS / "noop.py"))
    turn.run(*command, env={"RAYFAAS_HOME": str(server.home)})
    ours, theirs = [], []
    with rayfaas.Client(url=server.url, token=server.token) as client:
        for number in range(wakes):
            ours.append(wake(client, server.endpoint("noop"), say))
            theirs.append(bare_wake(bare_turn, number, say))
    return ours, theirs


def wake(client: rayfaas.Client, endpoint: Endpoint, say: Say) -> Round:
    wait_for(lambda: state(client) == "STOPPED")
    called = time.time()
    call(endpoint)
    answered = time.time()
    wait_for(lambda: bool(since(client, called, "stopped")))
    # Ray starts, and then its application; the process that holds both may tell of the last after the answer.
    process, ray = since(client, called, "booting")[:2]
    (running,) = since(client, called, "running")
    decided, told, ended = (since(client, called, event)[0] for event in ("want stopped", "stopping", "stopped"))
    woken = tuple(at - called for at in (process, ray, min(running, answered), answered))
    found = Round(woken, (told - decided, ended - decided))
    say(f"rayfaas: {found}")
    return found


def state(client: rayfaas.Client) -> str:
    return str(client.status()["head"]["state"])


def since(client: rayfaas.Client, moment: float, event: str) -> list[float]:
    """When it was told of the head."""
    return [at for at, name, _ in client.sql(_EVENTS).rows if name == event and at >= moment]


def bare_wake(turn: Turn, number: int, say: Say) -> Round:
    ports = {name: free_port() for name in ("port", "dashboard-port", "dashboard-agent-listen-port", "http")}
    http = ports.pop("http")
    head_log, live = turn.directory / f"head-{number}.log", turn.directory / f"live-{number}"
    # Ray asks for a token, as it does of us.
    env = {**QUIET, **_AS_OURS, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    began = time.perf_counter()
    head = start_head(turn, head_log, env, *(text for name, port in ports.items() for text in (f"--{name}", str(port))))
    process = time.perf_counter()
    wait_for(lambda: "Ray runtime started" in head_log.read_text())
    ray = time.perf_counter()
    serve = turn.spawn(sys.executable, APPS / "bare_serve.py", f"127.0.0.1:{ports['port']}", http, live, env=env)
    wait_for(lambda: live.exists() or serve.poll() is not None)
    if not live.exists():
        raise BenchmarkError(f"Ray Serve did not come up:\n{turn.log_tail()}")
    running = time.perf_counter()
    call(Endpoint(f"http://127.0.0.1:{http}/"))
    answered = time.perf_counter()
    stop_s = ended_after([head, serve])
    found = Round(tuple(at - began for at in (process, ray, running, answered)), (0.0, stop_s))
    say(f"bare: {found}")
    return found


def ended_after(processes: Sequence[subprocess.Popen[str]]) -> float:
    began = time.perf_counter()
    for each in processes:
        each.terminate()
    for each in processes:
        each.wait(_UP_S)
    return time.perf_counter() - began


_AS_OURS = {"RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0", "RAY_worker_niceness": "0"}


def start_head(turn: Turn, log: Path, env: Mapping[str, str], *options: str) -> subprocess.Popen[str]:
    log.touch()
    ray = Path(sys.executable).with_name("ray")
    command = f'exec "$0" start --head --block --disable-usage-stats --num-cpus 2 "$@" > {log} 2>&1'
    shared = ("--node-ip-address", "127.0.0.1", "--temp-dir", str(turn.directory / log.stem))
    quiet = ("--include-log-monitor", "false", "--ray-client-server-port", str(free_port()))
    return turn.spawn("/bin/sh", "-c", command, ray, *shared, *quiet, *options, env=env)


def wait_for(question: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _UP_S
    while not question():
        if time.monotonic() > deadline:
            raise BenchmarkError(f"not within {_UP_S:.0f} s")
        time.sleep(_LOOK_S)
