"""No-op calls per second and their latency, each system in its turn, in rounds whose order rotates."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.endpoint import wait_for_noop
from benchmarks.errors import BenchmarkError
from benchmarks.load import LoadGenerator, LoadResult, find_generator
from benchmarks.memory import ProcessMemory, memory_of, total_pss_mb
from benchmarks.plan import Plan, Say
from benchmarks.systems.system import System
from benchmarks.turn import Turn

MANY = 32


@dataclass(frozen=True)
class Measurement:
    """One turn of one system: load from one connection and from MANY, memory of its processes after it.

    `up_s` is the time from its start to its first right answer.
    """

    system: str
    round: int
    up_s: float
    one: LoadResult
    many: LoadResult
    memory: tuple[ProcessMemory, ...]

    @property
    def failed(self) -> int:
        return self.one.failed + self.many.failed

    def __str__(self) -> str:
        return (
            f"1 connection: {self.one.requests_per_s:,.0f}/s, p50 {self.one.p50_ms:.2f} ms; "
            f"{MANY}: {self.many.requests_per_s:,.0f}/s, p50 {self.many.p50_ms:.2f}, p99 {self.many.p99_ms:.2f} ms; "
            f"{self.failed} failed; {total_pss_mb(self.memory):,.0f} MiB"
        )


def measure_rounds(plan: Plan, say: Say) -> list[Measurement]:
    """Every system once in each round. One that fails in a round is told of and has no figures of that round."""
    for system in plan.systems:
        if system.environment is not None:
            system.environment.install()
    generator = find_generator("auto")
    say(f"load is made by {generator.name}")
    found = []
    for number in range(plan.rounds):
        for system in rotated(plan.systems, number):
            found.extend(_measure(system, number, plan, generator, say))
    return found


def rotated(systems: Sequence[System], number: int) -> Iterator[System]:
    """Round `number` begins with another system than the one before it."""
    return (systems[(number + index) % len(systems)] for index in range(len(systems)))


def _measure(system: System, number: int, plan: Plan, generator: LoadGenerator, say: Say) -> list[Measurement]:
    label = f"round {number + 1}/{plan.rounds}  {system.name}"
    with Turn(os.environ) as turn:
        try:
            measurement = _measure_turn(system, number, plan, generator, turn)
        except BenchmarkError as error:
            say(f"{label}: FAILED: {error}\n{turn.log_tail()}")
            return []
    say(f"{label}: {measurement}")
    return [measurement]


def _measure_turn(system: System, number: int, plan: Plan, generator: LoadGenerator, turn: Turn) -> Measurement:
    started = time.monotonic()
    endpoint = system.start(turn)
    expected = wait_for_noop(endpoint)
    up_s = time.monotonic() - started
    generator.run(endpoint, expected, MANY, plan.warmup_s)
    return Measurement(
        system=system.name,
        round=number,
        up_s=up_s,
        one=generator.run(endpoint, expected, 1, plan.seconds),
        many=generator.run(endpoint, expected, MANY, plan.seconds),
        memory=memory_of(turn.processes()),
    )
