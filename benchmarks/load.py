"""Load generators: wrk, and a client of our own for machines without it. Both check every answer's status and body.

Closed loop: a connection sends its next request when its last was answered. Percentiles are of all answers of a run.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from benchmarks.endpoint import NOOP_BODY, Endpoint
from benchmarks.errors import BenchmarkError

HERE = Path(__file__).parent
RESULT = "RESULT "
GET_WRK = "wrk is not installed (Debian, Ubuntu: apt-get install wrk; macOS: brew install wrk)"


@dataclass(frozen=True)
class LoadResult:
    """What one run of load saw. `errors` counts by kind: connect, read, write, timeout, answer (wrong one)."""

    connections: int
    seconds: float
    requests: int
    requests_per_s: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float
    errors: Mapping[str, int]

    @property
    def failed(self) -> int:
        return sum(self.errors.values())

    @property
    def valid(self) -> bool:
        return self.requests > 0 and self.failed == 0


class LoadGenerator(Protocol):
    name: str

    def run(self, endpoint: Endpoint, expected: str, connections: int, seconds: float) -> LoadResult:
        """POST the no-op's body from `connections` connections; each answer must be 200 with the body `expected`."""
        ...


class Wrk:
    """https://github.com/wg/wrk with one thread: on a machine of two cores a second would take the system's."""

    name = "wrk"

    def __init__(self, binary: str) -> None:
        self._binary = binary

    def run(self, endpoint: Endpoint, expected: str, connections: int, seconds: float) -> LoadResult:
        headers = [f"{name}={value}" for name, value in endpoint.headers.items()]
        command = [self._binary, "-t1", f"-c{connections}", f"-d{seconds:.0f}s", "--timeout", "10s"]
        command += ["-s", str(HERE / "wrk.lua"), endpoint.url, "--", NOOP_BODY, expected, *headers]
        return parse_result(_output_of(command, seconds), connections)


class ClosedLoop:
    """`benchmarks.closed_loop`: asyncio, uvloop and httptools in a process of its own.

    It takes several times the processor time of wrk per request, so a fast system looks slower than under wrk; the
    results say which of the two was used.
    """

    name = "asyncio client (wrk was not used; figures of fast systems are too low)"

    def run(self, endpoint: Endpoint, expected: str, connections: int, seconds: float) -> LoadResult:
        headers = [f"{name}={value}" for name, value in endpoint.headers.items()]
        command = [sys.executable, "-m", "benchmarks.closed_loop", endpoint.url]
        command += [NOOP_BODY, expected, str(connections), str(seconds), *headers]
        return parse_result(_output_of(command, seconds), connections)


def find_generator(choice: Literal["auto", "wrk", "asyncio"]) -> LoadGenerator:
    binary = shutil.which("wrk")
    if choice != "asyncio" and binary is not None:
        return Wrk(binary)
    if choice == "wrk":
        raise BenchmarkError(GET_WRK)
    return ClosedLoop()


def parse_result(output: str, connections: int) -> LoadResult:
    """The RESULT line that wrk.lua and closed_loop.py print.

    >>> parse_result('RESULT {"requests": 6, "duration_us": 2000000, "p50_us": 500, "p90_us": 600, "p99_us": 700,'
    ...              ' "max_us": 800, "errors": {}}', 1).requests_per_s
    3.0
    """
    line = next((line for line in output.splitlines() if line.startswith(RESULT)), None)
    if line is None:
        raise BenchmarkError(f"the load generator printed no result:\n{output}")
    found = json.loads(line.removeprefix(RESULT))
    seconds = found["duration_us"] / 1e6
    return LoadResult(
        connections=connections,
        seconds=seconds,
        requests=found["requests"],
        requests_per_s=found["requests"] / seconds,
        p50_ms=found["p50_us"] / 1e3,
        p90_ms=found["p90_us"] / 1e3,
        p99_ms=found["p99_us"] / 1e3,
        max_ms=found["max_us"] / 1e3,
        errors=found["errors"],
    )


def _output_of(command: list[str], seconds: float) -> str:
    done = subprocess.run(command, cwd=HERE.parent, capture_output=True, text=True, timeout=seconds + 60)
    if done.returncode != 0:
        raise BenchmarkError(f"{command[0]} failed:\n{done.stdout}{done.stderr}")
    return done.stdout
