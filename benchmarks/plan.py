"""How much is measured, and who is told of each step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.systems.all import SYSTEMS
from benchmarks.systems.system import System

Say = Callable[[str], None]
"""Is told of each step, in a line."""


@dataclass(frozen=True)
class Plan:
    """`seconds` is the length of one run of load."""

    rounds: int = 5
    seconds: float = 5.0
    warmup_s: float = 10.0
    systems: tuple[System, ...] = field(default=SYSTEMS)
    edits: int = 20
    redeploys: int = 3
    cold_starts: int = 5
    wakes: int = 5
    calls: int = 5_000
    payload_calls: int = 5
    journal_calls: int = 1_000_000
    stored_calls: int = 10_000_000
    sustained_s: float = 60.0
    calls_to_survive: int = 10_000
    functions: int = 1_000
    cold_calls: int = 100
    step_per_s: float = 200.0
    step_s: float = 40.0
    redeploys_under_load: int = 100
    moves: int = 20

    @classmethod
    def quick(cls) -> Plan:
        """Some minutes, to see that all of it works; its figures are too few to tell of."""
        return cls(
            rounds=1,
            seconds=3,
            edits=5,
            redeploys=1,
            cold_starts=2,
            wakes=1,
            calls=500,
            payload_calls=1,
            journal_calls=100_000,
            stored_calls=1_000_000,
            sustained_s=10.0,
            calls_to_survive=500,
            functions=50,
            cold_calls=20,
            step_per_s=50,
            step_s=20,
            redeploys_under_load=10,
            moves=3,
        )
