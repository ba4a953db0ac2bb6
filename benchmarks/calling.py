"""Ways to call besides one no-op after the other: streams, spawned calls, a map over many inputs."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import rayfaas
from benchmarks.endpoint import Caller, Endpoint
from benchmarks.errors import BenchmarkError
from benchmarks.plan import Plan, Say
from benchmarks.report import Section, markdown_table
from benchmarks.samples import median
from benchmarks.systems.rayfaas_server import Server, start_server
from benchmarks.systems.system import APPS
from benchmarks.turn import Turn

_REPEATS = 5
_SPAWNERS = 64
_FIRST_ITEMS = 50


@dataclass(frozen=True)
class Row:
    """One way to call: the median of its repeats, in `unit`."""

    way: str
    figure: float
    unit: str

    def cells(self) -> list[str]:
        digits = 0 if self.figure >= 100 else 2
        return [self.way, f"{self.figure:,.{digits}f} {self.unit}"]


def run(plan: Plan, directory: Path, say: Say) -> Section:
    with Turn(os.environ) as turn:
        server = start_server(turn)
        turn.run(
            *(sys.executable, "-m", "rayfaas", "deploy", str(APPS / "calling_rayfaas.py")),
            env={"RAYFAAS_HOME": str(server.home)},
        )
        rows = []
        for row in measure(server, plan.calls):
            say(" ".join(row.cells()))
            rows.append(row)
    table = markdown_table(["", "median"], [row.cells() for row in rows])
    where = "Over HTTP from one client on the same machine; `map` is the Python client's."
    text = f"{table}\n\n{where} Medians of {_REPEATS} runs."
    return Section.of_now("calling", "Ways to call", text, {"rows": [asdict(row) for row in rows]})


def measure(server: Server, calls: int) -> Iterable[Row]:
    """`calls` is how many are spawned, mapped, or streamed as items in one run."""
    with rayfaas.Client(url=server.url, token=server.token) as client:
        yield Row("first item of a stream, after its `yield`", first_item_ms(client), "ms")
        yield Row("items of one stream, Python client", stream_rate(client, calls * 10), "items/s")
        yield Row(f"spawned calls, {_SPAWNERS} connections", spawn_rate(server, calls), "calls/s")
        yield Row("`map`", map_rate(client, calls), "calls/s")


def first_item_ms(client: rayfaas.Client) -> float:
    """From the clock's reading in the function to the item at the client: the same machine, so the same clock."""
    function = rayfaas.get("tell_time").with_options(client=client)
    waits = []
    for _ in range(_FIRST_ITEMS):
        for made_at in function.stream():
            waits.append(time.time() - made_at)
    return 1e3 * (median(waits) or 0.0)


def stream_rate(client: rayfaas.Client, items: int) -> float:
    function = rayfaas.get("count").with_options(client=client)

    def once() -> None:
        if sum(1 for _ in function.stream(items)) != items:
            raise BenchmarkError("a stream lost items")

    return items / _median_s(once)


def spawn_rate(server: Server, calls: int) -> float:
    endpoint = server.endpoint("double")
    asynchronous = Endpoint(endpoint.url, {**endpoint.headers, "Prefer": "respond-async"})
    with ThreadPoolExecutor(_SPAWNERS) as spawners:

        def once() -> None:
            shares = [calls // _SPAWNERS] * _SPAWNERS
            list(spawners.map(partial(_spawn, asynchronous), shares))

        return (calls // _SPAWNERS * _SPAWNERS) / _median_s(once)


def _spawn(endpoint: Endpoint, calls: int) -> None:
    with Caller(endpoint) as caller:
        for number in range(calls):
            answer = caller.post(json.dumps({"x": number}))
            if answer.status != 202:
                raise BenchmarkError(f"{endpoint.url} answered {answer}")


def map_rate(client: rayfaas.Client, calls: int) -> float:
    function = rayfaas.get("double").with_options(client=client)

    def once() -> None:
        if list(function.map(range(calls))) != [2 * x for x in range(calls)]:
            raise BenchmarkError("map gave wrong results")

    return calls / _median_s(once)


def _median_s(once: Callable[[], object]) -> float:
    seconds = []
    for _ in range(_REPEATS):
        started = time.perf_counter()
        once()
        seconds.append(time.perf_counter() - started)
    return median(seconds) or 0.0
