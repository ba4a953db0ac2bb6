"""Payloads there and back: a text as JSON through each system that takes it, and bytes as they are through ours."""

from __future__ import annotations

import http.client
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.comparison import OURS
from benchmarks.endpoint import Caller, Endpoint, wait_for_noop
from benchmarks.errors import BenchmarkError
from benchmarks.plan import Plan, Say
from benchmarks.report import Section, markdown_table
from benchmarks.samples import median
from benchmarks.systems.rayfaas_server import start_server
from benchmarks.systems.system import APPS, System
from benchmarks.turn import Turn

SIZES = (1 << 10, 64 << 10, 1 << 20, 16 << 20, 256 << 20)
Measured = Callable[[Endpoint, int, int], float]
_OCTETS = "application/octet-stream"


@dataclass(frozen=True)
class Row:
    """Medians in ms by size; None where it refused such a payload."""

    name: str
    ms: list[float | None]

    def cells(self) -> list[str]:
        return [self.name, *("–" if each is None else f"{each:,.{0 if each >= 100 else 2}f}" for each in self.ms)]


def run(plan: Plan, directory: Path, say: Say) -> Section:
    rows = []
    for row in measure(plan, say):
        say(" | ".join(row.cells()))
        rows.append(row)
    table = markdown_table(["", *map(size_text, SIZES)], [row.cells() for row in rows])
    text = (
        f"{table}\n\nMilliseconds for a payload there and back, over HTTP from one client on the same machine. JSON is "
        f'`{{"x": "…"}}`, answered with itself. Medians of {plan.payload_calls} calls; – is a refusal.'
    )
    return Section.of_now("payloads", "Payloads", text, {"sizes": SIZES, "rows": [asdict(row) for row in rows]})


def measure(plan: Plan, say: Say) -> Iterator[Row]:
    """A system that does not come up is told of and has no row."""
    for system in plan.systems:
        with Turn(os.environ) as turn:
            try:
                yield from _ours(turn, plan.payload_calls) if system.name == OURS else _of(system, turn, plan)
            except BenchmarkError as error:
                say(f"{system.name}: FAILED: {error}\n{turn.log_tail()}")


def _ours(turn: Turn, calls: int) -> Iterator[Row]:
    server = start_server(turn)
    app = str(APPS / "payloads_rayfaas.py")
    turn.run(sys.executable, "-m", "rayfaas", "deploy", app, env={"RAYFAAS_HOME": str(server.home)})
    yield Row(f"{OURS}, JSON", [_or_none(json_ms, server.endpoint("echo"), size, calls) for size in SIZES])
    yield Row(f"{OURS}, bytes", [_or_none(bytes_ms, server.endpoint("give_back"), size, calls) for size in SIZES])


def _of(system: System, turn: Turn, plan: Plan) -> Iterator[Row]:
    if system.environment is not None:
        system.environment.install()
    endpoint = system.start(turn)
    wait_for_noop(endpoint)
    yield Row(f"{system.name}, JSON", [_or_none(json_ms, endpoint, size, plan.payload_calls) for size in SIZES])


def json_ms(endpoint: Endpoint, size: int, calls: int) -> float:
    text = "x" * size
    body = json.dumps({"x": text})
    with Caller(endpoint, timeout_s=120.0) as caller:

        def once() -> None:
            answer = caller.post(body)
            if answer.status != 200 or answer.json() != {"x": text}:
                raise BenchmarkError(f"{endpoint.url} answered {answer.status}: {answer.body[:200]}")

        return median_ms(once, calls)


def bytes_ms(endpoint: Endpoint, size: int, calls: int) -> float:
    data = bytes(size)
    with Caller(Endpoint(endpoint.url, {**endpoint.headers, "Content-Type": _OCTETS}), timeout_s=120.0) as caller:

        def once() -> None:
            if caller.post_bytes(data) != data:
                raise BenchmarkError(f"{endpoint.url} answered with other bytes")

        return median_ms(once, calls)


def median_ms(once: Callable[[], object], calls: int) -> float:
    """After a first call that does not count."""
    once()
    seconds = []
    for _ in range(calls):
        started = time.perf_counter()
        once()
        seconds.append(time.perf_counter() - started)
    return 1e3 * (median(seconds) or 0.0)


def _or_none(measured: Measured, endpoint: Endpoint, size: int, calls: int) -> float | None:
    try:
        return measured(endpoint, size, calls)
    except (BenchmarkError, OSError, http.client.HTTPException, ValueError):
        return None


def size_text(size: int) -> str:
    """
    >>> size_text(1 << 10), size_text(256 << 20)
    ('1 KiB', '256 MiB')
    """
    return f"{size >> 20} MiB" if size >= 1 << 20 else f"{size >> 10} KiB"
