"""The comparison of systems in words: a table of medians, the goals, the raw figures, the picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from benchmarks.comparison import Outcome, Summary, outcomes, summaries
from benchmarks.endpoint import NOOP_BODY
from benchmarks.machine import Machine
from benchmarks.picture import PICTURE, draw
from benchmarks.plan import Plan, Say
from benchmarks.report import Section, markdown_table
from benchmarks.systems.system import System
from benchmarks.throughput import MANY, Measurement, measure_rounds

HEADER = (
    *("", f"requests/s at {MANY}", f"p50 at {MANY}", f"p99 at {MANY}"),
    *("requests/s at 1", "p50 at 1", "p99 at 1", "memory"),
)


def run(plan: Plan, directory: Path, say: Say) -> Section:
    """Measure, draw, and tell of the goals."""
    measurements = measure_rounds(plan, say)
    found = summaries(measurements, [system.name for system in plan.systems])
    reached = outcomes(measurements)
    for outcome in reached:
        say(str(outcome))
    if found:
        directory.mkdir(parents=True, exist_ok=True)
        draw(found, caption(), directory / PICTURE)
    text = f"{table(found)}\n\n{notes(plan)}"
    return Section.of_now("throughput", "No-op calls over HTTP", text, data(plan, measurements, found, reached))


def table(found: Sequence[Summary]) -> str:
    """Latencies in milliseconds, memory in MiB."""
    return markdown_table(HEADER, [_row(each) for each in found])


def notes(plan: Plan) -> str:
    """How it was measured, and each system's version and configuration."""
    how = (
        f"Requests/s, latency in ms at 1 and {MANY} connections, memory of all processes in MiB (PSS): medians of "
        f"{plan.rounds} rounds, {plan.seconds:g} s of load each, after {plan.warmup_s:g} s that do not count. "
        f"`{NOOP_BODY}` is answered with itself, every answer is checked; load generator and system share the machine."
    )
    return "\n".join([how, "", *(f"- {_described(system)}" for system in plan.systems)])


def data(
    plan: Plan, measurements: Sequence[Measurement], found: Sequence[Summary], reached: Sequence[Outcome]
) -> dict[str, Any]:
    """As JSON can hold it; processes without their numbers, which tell nobody anything."""
    rounds = [asdict(each) for each in measurements]
    for each in rounds:
        each["memory"] = [{key: value for key, value in process.items() if key != "pid"} for process in each["memory"]]
    return {
        "rounds": plan.rounds,
        "seconds": plan.seconds,
        "systems": [_described(system) for system in plan.systems],
        "summaries": [asdict(each) for each in found],
        "goals": [{"goal": str(each), "ratio": each.ratio, "met": each.met} for each in reached],
        "measurements": rounds,
    }


def caption() -> str:
    return f"no-op over HTTP, {datetime.now(timezone.utc).date()}: {Machine.here()}"


def _row(each: Summary) -> list[str]:
    many = [f"{each.requests_per_s_many:,.0f}", f"{each.p50_ms_many:.2f}", f"{each.p99_ms_many:.2f}"]
    one = [f"{each.requests_per_s_one:,.0f}", f"{each.p50_ms_one:.2f}", f"{each.p99_ms_one:.2f}"]
    name = f"{each.system} ({each.failed} failed)" if each.failed else each.system
    return [name, *many, *one, f"{each.memory_mib:,.0f}"]


def _described(system: System) -> str:
    return f"{system.name}: {system.distribution} {system.version}, {system.configuration}"
