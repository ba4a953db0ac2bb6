"""Thousands of spawned calls, and everything killed in their midst: does each come to its end, and none run twice?"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

import rayfaas
from benchmarks.errors import BenchmarkError
from benchmarks.plan import Plan, Say
from benchmarks.report import Section, markdown_table
from benchmarks.systems.rayfaas_server import Server, start_server
from benchmarks.systems.system import APPS
from benchmarks.turn import Turn
from rayfaas.errors import RayfaasError

_SPAWNERS = 16
_SETTLE_S = 300.0
_OPEN = "SELECT state, count(*) FROM spawned WHERE state IN ('WAITING', 'RUNNING') GROUP BY ALL"
_STATES = "SELECT state, count(*) FROM spawned GROUP BY ALL ORDER BY ALL"


@dataclass(frozen=True)
class Found:
    """`lost` were accepted and have no final state; `twice` have an idempotency key and ran to their end twice."""

    accepted: int
    states: dict[str, int]
    lost: int
    twice: int
    done_before: int
    settled_s: float


def run(plan: Plan, directory: Path, say: Say) -> Section:
    with Turn(os.environ) as turn:
        server = start_server(turn)
        environ = {"RAYFAAS_HOME": str(server.home)}
        turn.run(sys.executable, "-m", "rayfaas", "deploy", APPS / "calling_rayfaas.py", env=environ)
        notes = turn.directory / "notes"
        accepted = spawn(server, notes, plan.calls_to_survive)
        done_before = len(notes.read_text().splitlines())
        kill_all(turn)
        say(f"{accepted:,} calls were accepted, {done_before:,} had ended when everything was killed")
        started = time.perf_counter()
        again = start_server(turn)
        states = settled(again)
        found = compare(accepted, states, notes.read_text(), done_before, time.perf_counter() - started)
    say(str(found))
    rows = [
        ["spawned calls that were accepted, half of them with an idempotency key", f"{found.accepted:,}"],
        ["ended when all processes were killed, those of Ray too", f"{found.done_before:,}"],
        ["how they ended", ", ".join(f"{count:,} {state}" for state, count in found.states.items())],
        ["lost", f"{found.lost:,}"],
        ["with a key, and run to the end twice", f"{found.twice:,}"],
        ["from `rayfaas up` to the end of the last", f"{found.settled_s:.0f} s"],
    ]
    return Section.of_now(
        "durable", "Spawned calls, and everything killed", markdown_table(["", ""], rows), asdict(found)
    )


def spawn(server: Server, notes: Path, calls: int) -> int:
    """Returns how many were accepted, which is when each is on disk. Even ones have an idempotency key."""
    with rayfaas.Client(url=server.url, token=server.token) as client, ThreadPoolExecutor(_SPAWNERS) as spawners:
        note = rayfaas.get("note").with_options(client=client)

        def once(number: int) -> object:
            keyed = note.with_options(idempotency_key=f"key-{number}") if number % 2 == 0 else note
            return keyed.spawn(str(notes), f"line-{number}")

        return len(list(spawners.map(once, range(calls))))


def kill_all(turn: Turn) -> None:
    """SIGKILL, until none is left."""
    while processes := turn.processes():
        for process in processes:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(processes, timeout=5.0)


def settled(server: Server) -> dict[str, int]:
    """How many calls are in which state, when none is open any more."""
    deadline = time.monotonic() + _SETTLE_S
    with rayfaas.Client(url=server.url, token=server.token) as client:
        while True:
            try:
                if not client.sql(_OPEN).rows:
                    return {str(state): int(count) for state, count in client.sql(_STATES).rows}
            except RayfaasError as error:
                if time.monotonic() > deadline:
                    raise BenchmarkError(f"the registry can't be asked: {error}") from error
            if time.monotonic() > deadline:
                raise BenchmarkError(f"calls were still open after {_SETTLE_S:.0f} s")
            time.sleep(0.5)


def compare(accepted: int, states: dict[str, int], notes: str, done_before: int, settled_s: float) -> Found:
    """`notes` has a line for each run that came to its end.

    >>> compare(3, {"SUCCEEDED": 2}, "line-0\\nline-0\\nline-1\\nline-1\\n", 1, 2.5)
    Found(accepted=3, states={'SUCCEEDED': 2}, lost=1, twice=1, done_before=1, settled_s=2.5)
    """
    runs = Counter(int(line.removeprefix("line-")) for line in notes.splitlines())
    twice = sum(count > 1 for number, count in runs.items() if number % 2 == 0)
    return Found(accepted, states, accepted - sum(states.values()), twice, done_before, settled_s)
