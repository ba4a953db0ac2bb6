"""Scale: a thousand functions, load that comes at once, deploys and moves under load."""

from __future__ import annotations

import json
import os
import random
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import rayfaas
from benchmarks.cold_start import executors, wait_for_none
from benchmarks.deployer import Deployer
from benchmarks.family import Kin, family, total
from benchmarks.plan import Plan, Say
from benchmarks.report import Section, markdown_table
from benchmarks.samples import Samples
from benchmarks.steady_load import seconds_until, steady_load
from benchmarks.systems.rayfaas_server import Server, start_server
from benchmarks.turn import Turn

_ECHO = "def f(x=None):\n    return x\n"
_SHORT = {"scaling": {"scale_down_after_s": 1.0}}
_SLEEP = "import time\n\ndef f(x=None):\n    time.sleep(0.05)\n    return x\n"
# Four calls at once in a replica of a tenth of a CPU: what a function that waits for something declares.
_WAITING = {
    "concurrency": 4,
    "shape": {"cpus": 0.1},
    "scaling": {"target_concurrency": 4.0, "max_replicas": 10},
}
_IDLE_LOOK_S = 10.0


def run(plan: Plan, directory: Path, say: Say) -> Section:
    rows: dict[str, str] = {}
    for measure in (many_functions, step_load, deploys_and_moves):
        with Turn(os.environ) as turn:
            server = start_server(turn)
            deployer = Deployer(server)
            for name, value in measure(plan, turn, server, deployer).items():
                rows[name] = value
                say(f"{name}: {value}")
            deployer.close()
    table = markdown_table(["", "measured"], [[name, value] for name, value in rows.items()])
    text = (
        f"{table}\n\nOver HTTP from the same machine. A step load is open: calls are sent when they are due, and timed "
        "from then. Deploys and moves happen while four connections call without a pause."
    )
    return Section.of_now("scale", "Scale", text, rows)


def many_functions(plan: Plan, turn: Turn, server: Server, deployer: Deployer) -> dict[str, str]:
    bundle, many = deployer.bundle(_ECHO), plan.functions
    with rayfaas.Client(url=server.url, token=server.token) as client:
        deployer.deploy("f0", bundle, spec=_SHORT)
        wait_for_none(lambda: executors(client))
        one, cpu_one = family(turn.processes()), serve_cpu(turn)
        took_s = [deployer.deploy(f"f{number}", bundle, spec=_SHORT) for number in range(1, many)]
        wait_for_none(lambda: executors(client))
        all_of_them, cpu_all = family(turn.processes()), serve_cpu(turn)
        called = []
        for number in random.Random(0).sample(range(many), min(plan.cold_calls, many)):
            started = time.perf_counter()
            deployer.call(f"f{number}")
            called.append(time.perf_counter() - started)
    cold = Samples.of_seconds(called)
    few = max(1, many // 20)
    first, last = (statistics.median(each) * 1e3 for each in (took_s[:few], took_s[-few:]))
    grown_kb = (ours(all_of_them).pss_mb - ours(one).pss_mb) / many * 1024
    return {
        f"{many:,} functions at rest: a call to any, p99 of {cold.n}": f"{cold.p99_ms:,.0f} ms",
        "the same, median": f"{cold.median_ms:,.0f} ms",
        f"deploy, the first {few} and the last {few}, medians": f"{first:,.0f} ms, {last:,.0f} ms",
        "memory for each function at rest, controller and gateway": f"{grown_kb:,.0f} KiB",
        f"Ray Serve's controller with 1 function and with {many:,}": f"{cpu_one:.1%}, {cpu_all:.1%} of a core",
    }


def ours(kin: dict[str, Kin]) -> Kin:
    return total({role: kin[role] for role in ("controller", "gateway")})


def serve_cpu(turn: Turn) -> float:
    """The share of a core that it takes while nobody calls."""
    before = family(turn.processes())["Ray Serve's controller"].cpu_s
    time.sleep(_IDLE_LOOK_S)
    return (family(turn.processes())["Ray Serve's controller"].cpu_s - before) / _IDLE_LOOK_S


def step_load(plan: Plan, turn: Turn, server: Server, deployer: Deployer) -> dict[str, str]:
    deployer.deploy("step", deployer.bundle(_SLEEP), spec=_WAITING)
    calls = steady_load(server.endpoint("step"), plan.step_per_s, plan.step_s)
    back_s = seconds_until(calls, 0.15)
    failed = sum(not each.ok for each in calls)
    return {
        f"0 to {plan.step_per_s:g} calls/s of a 50 ms function: failed calls": f"{failed} of {len(calls):,}",
        "seconds until the p99 of each second is below 150 ms": "not reached" if back_s is None else f"{back_s:.0f} s",
        "the longest that a call took": f"{max(each.took_s for each in calls):.1f} s",
    }


def deploys_and_moves(plan: Plan, turn: Turn, server: Server, deployer: Deployer) -> dict[str, str]:
    def release(number: int, shape: int = 0) -> float:
        spec = {"shape": {"env": {"SHAPE": str(shape)}}}
        return deployer.deploy("busy", deployer.bundle(f"{_ECHO}\nRELEASE = {number}\n"), spec=spec)

    release(0)
    with rayfaas.Client(url=server.url, token=server.token) as client, calling(server, "busy") as counts:
        time.sleep(2)
        before = total(family(turn.processes()))
        every = max(1, plan.redeploys_under_load // 10)
        took = [release(n, n // every) for n in range(1, plan.redeploys_under_load + 1)]
        flips = [_timed(lambda n=n: client.promote("busy", n % 2 + 1)) for n in range(plan.moves)]
        splits = [
            _timed(lambda n=n: client.move_alias("busy", "live", split={1: 50, 2: 51 + n})) for n in range(plan.moves)
        ]
        backs = [_timed(lambda: client.rollback("busy")) for _ in range(plan.moves)]
        wait_until_quiet(client)
        after = total(family(turn.processes()))
    failed = f"{counts['failed']} of {counts['all']:,}"
    return {
        f"{len(took)} deploys in a row under load, each {every}th of a new shape: failed calls": failed,
        "deploy under load, median": f"{statistics.median(took) * 1e3:,.0f} ms",
        "processes, and memory of all, before and after": f"{before.processes} and {after.processes}, "
        f"{before.pss_mb:,.0f} and {after.pss_mb:,.0f} MiB",
        "flip, split, rollback under load, medians": ", ".join(
            f"{statistics.median(each) * 1e3:,.0f} ms" for each in (flips, splits, backs)
        ),
        "the longest of them": f"{max(*flips, *splits, *backs) * 1e3:,.0f} ms",
    }


def wait_until_quiet(client: rayfaas.Client) -> None:
    """The executors of versions that no alias leads to end half a minute after their last call."""
    deadline = time.monotonic() + 60
    while executors(client) > 2 and time.monotonic() < deadline:
        time.sleep(0.5)


def _timed(do: Any) -> float:
    started = time.perf_counter()
    do()
    return time.perf_counter() - started


@contextmanager
def calling(server: Server, function: str) -> Iterator[dict[str, int]]:
    """Four connections call without a pause; how many calls there were, and how many failed."""
    counts, ending, lock = {"all": 0, "failed": 0}, threading.Event(), threading.Lock()

    def call() -> None:
        deployer = Deployer(server)
        while not ending.is_set():
            try:
                ok = json.loads(deployer.call(function, b"1")) == 1
            except Exception:  # noqa: BLE001 whatever it was, the call failed
                ok = False
            with lock:
                counts["all"] += 1
                counts["failed"] += not ok
        deployer.close()

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield counts
    finally:
        ending.set()
        for thread in threads:
            thread.join(60)
