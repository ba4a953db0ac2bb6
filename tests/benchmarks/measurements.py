"""Measurements as a run of load would have made them."""

from __future__ import annotations

from benchmarks.load import LoadResult
from benchmarks.memory import ProcessMemory
from benchmarks.throughput import MANY, Measurement


def measurement(system: str, number: int, requests_per_s: float, p50_ms: float, failed: int = 0) -> Measurement:
    """`requests_per_s` at many connections, `p50_ms` at one."""
    return Measurement(
        system=system,
        round=number,
        up_s=1.0,
        one=load_result(1, 1000 / p50_ms, p50_ms),
        many=load_result(MANY, requests_per_s, 2.0, failed),
        memory=(ProcessMemory(pid=4711, name="python", rss_mb=20.0, pss_mb=10.0),),
    )


def load_result(connections: int, requests_per_s: float, p50_ms: float, failed: int = 0) -> LoadResult:
    return LoadResult(
        connections=connections,
        seconds=1.0,
        requests=round(requests_per_s),
        requests_per_s=requests_per_s,
        p50_ms=p50_ms,
        p90_ms=p50_ms,
        p99_ms=p50_ms,
        max_ms=p50_ms,
        errors={"answer": failed},
    )
