"""Ways to call besides one no-op after the other: streams, spawned calls, a map over many inputs; and cancelling."""

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
from tempfile import TemporaryDirectory
from typing import Any

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
_CANCELS = 20
_WAIT_S = 60.0


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
        with TemporaryDirectory() as folder:
            yield Row("a cancel, until it reaches a running `def`", cancel_ms(client, Path(folder)), "ms")
            yield Row("the next call after a cancelled one that goes on", replaced_ms(client, Path(folder)), "ms")


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


def cancel_ms(client: rayfaas.Client, folder: Path) -> float:
    """From the asking for it to the exception in the function: the same machine, so the same clock."""
    function = rayfaas.get("wait_for_cancel").with_options(client=client)
    waits = []
    for number in range(_CANCELS):
        call = _running(function, file := folder / f"cancelled-{number}")
        asked_at = time.time()
        call.cancel()
        _wait_until(partial(_is_written, file))
        waits.append(float(file.read_text()) - asked_at)
    return 1e3 * (median(waits) or 0.0)


def replaced_ms(client: rayfaas.Client, folder: Path) -> float:
    """From the cancel of a call that catches its interruption to the answer of the next call, which waited for it."""
    function = rayfaas.get("stay").with_options(client=client)
    waits = []
    for number in range(_REPEATS):
        call = _running(function, folder / f"stayed-{number}")
        started = time.perf_counter()
        call.cancel()
        function.remote()
        waits.append(time.perf_counter() - started)
    return 1e3 * (median(waits) or 0.0)


def _running(function: rayfaas.RemoteFunction[..., Any], file: Path) -> rayfaas.SpawnedCall:
    """A call that has begun, which the file that it makes shows."""
    call = function.spawn(str(file))
    _wait_until(file.exists)
    return call


def _is_written(file: Path) -> bool:
    return file.stat().st_size > 0


def _wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _WAIT_S
    while not holds():
        if time.monotonic() > deadline:
            raise BenchmarkError(f"a call did not do what it should within {_WAIT_S:.0f} s")
        time.sleep(0.001)


def _median_s(once: Callable[[], object]) -> float:
    seconds = []
    for _ in range(_REPEATS):
        started = time.perf_counter()
        once()
        seconds.append(time.perf_counter() - started)
    return median(seconds) or 0.0
