"""Calls for a minute, and the controller killed in its midst: is each in the registry once, and how soon?"""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet

import rayfaas
from benchmarks.errors import BenchmarkError
from benchmarks.paced_load import Answered, PacedLoad
from benchmarks.plan import Plan, Say
from benchmarks.report import Section, markdown_table
from benchmarks.samples import Samples
from benchmarks.systems.rayfaas_server import Server, start_server
from benchmarks.systems.system import APPS
from benchmarks.turn import Turn
from rayfaas.errors import RayfaasError

PER_S = 5_000.0
_LOOK_S = 1.0
_SETTLE_S = 5.0
# Turns of load with the controller at work and with it held, to see what its work costs the calls.
_TURNS, _TURN_S = 4, 6.0


@dataclass
class Seen:
    """How long after its answer a call was in an answer of SQL, in seconds; and the longest time that SQL had none."""

    lags: list[float] = field(default_factory=list)
    away_s: float = 0.0


@dataclass(frozen=True)
class Found:
    """`missing` and `repeated` are calls that were answered, and are not in the registry, or not once."""

    answered: int
    recorded: int
    missing: int
    repeated: int


def run(plan: Plan, directory: Path, say: Say) -> Section:
    with Turn(os.environ) as turn:
        server = start_server(turn)
        turn.run(sys.executable, "-m", "rayfaas", "deploy", APPS / "noop.py", env={"RAYFAAS_HOME": str(server.home)})
        at_work_s, held_s = asyncio.run(_in_turns(server, say))
        load, seen, kill = asyncio.run(_minute(server, plan.sustained_s, say))
        with rayfaas.Client(url=server.url, token=server.token) as client:
            found = compare(load.answered, recorded(client))
    lags = Samples.of_seconds(seen.lags)
    took = sorted(each.took_s for each in load.answered)
    say(f"{found}, visible after {lags.median_ms:,.0f} ms, {max(seen.lags):.2f} s at most, away {seen.away_s:.2f} s")
    rate = len(load.answered) / plan.sustained_s
    rows = [
        ["calls answered", f"{found.answered:,} in {plan.sustained_s:.0f} s: {rate:,.0f}/s"],
        ["of them missing in `calls`, or there twice", f"{found.missing}, {found.repeated}"],
        ["a call's answer, p50 and p99", f"{_at(took, 50) * 1e3:.1f} ms, {_at(took, 99) * 1e3:.1f} ms"],
        ["p50 while the controller loads, and while it is held", f"{at_work_s * 1e3:.2f} ms, {held_s * 1e3:.2f} ms"],
        ["from its answer to its row in an answer of SQL, median and most", f"{lags.median_ms:,.0f} ms, "
         f"{max(seen.lags) * 1e3:,.0f} ms"],
        [f"SQL was away after the controller was killed, at second {kill:.0f}", f"{seen.away_s:.1f} s"],
    ]  # fmt: skip
    data = {"answered": found.answered, "missing": found.missing, "repeated": found.repeated, "rate": rate,
            "lags_s": seen.lags, "away_s": seen.away_s, "at_work_s": at_work_s, "held_s": held_s}  # fmt: skip
    text = markdown_table(["", "found"], rows)
    return Section.of_now("sustained", f"{PER_S:,.0f} calls a second, and a killed controller", text, data)


async def _in_turns(server: Server, say: Say) -> tuple[float, float]:
    """p50 in seconds with the controller at work, and with it held (SIGSTOP): it loads nothing then."""
    took: dict[bool, list[float]] = {False: [], True: []}
    for turn in range(2 * _TURNS):
        is_held = turn % 2 == 1
        if is_held:
            os.kill(_controller(server), signal.SIGSTOP)
        try:
            load = PacedLoad(server.endpoint("noop"), PER_S)
            await load.run(_TURN_S)
        finally:
            os.kill(_controller(server), signal.SIGCONT)
        took[is_held] += [each.took_s for each in load.answered]
        await asyncio.sleep(_SETTLE_S)
    at_work_s, held_s = (_at(sorted(took[is_held]), 50) for is_held in (False, True))
    say(f"p50 {at_work_s * 1e3:.2f} ms while the controller loads, {held_s * 1e3:.2f} ms while it is held")
    return at_work_s, held_s


def _controller(server: Server) -> int:
    processes = json.loads((server.home / "server.json").read_text())["processes"]
    return next(int(each["pid"]) for each in processes if each["name"] == "controller")


async def _minute(server: Server, seconds: float, say: Say) -> tuple[PacedLoad, Seen, float]:
    load, seen, kill_s = PacedLoad(server.endpoint("noop"), PER_S), Seen(), seconds / 2
    running = asyncio.ensure_future(load.run(seconds))
    looking = asyncio.ensure_future(asyncio.to_thread(_look, server, load, seen, running))
    await asyncio.sleep(kill_s)
    os.kill(_controller(server), signal.SIGKILL)
    say(f"the controller was killed after {len(load.answered):,} answers")
    await running
    await looking
    await asyncio.sleep(_SETTLE_S)
    return load, seen, kill_s


def _look(server: Server, load: PacedLoad, seen: Seen, running: asyncio.Future[None]) -> None:
    """Ask SQL for the newest call, again and again until it is there."""
    with rayfaas.Client(url=server.url, token=server.token) as client:
        while not running.done():
            time.sleep(_LOOK_S)
            newest, failed_s = load.answered[-1], 0.0
            while not running.done():
                try:
                    if client.sql("SELECT 1 FROM calls WHERE call = ?::UUID", [newest.call]).rows:
                        break
                except RayfaasError:
                    failed_s = failed_s or time.perf_counter()
                    time.sleep(0.05)
            if failed_s:
                seen.away_s = max(seen.away_s, time.perf_counter() - failed_s)
            elif not running.done():
                seen.lags.append(time.perf_counter() - newest.at_s)


def recorded(client: rayfaas.Client) -> list[str]:
    """The ids of all calls of the registry."""
    days = [str(row[0]) for row in client.sql("SELECT DISTINCT strftime(accepted_at, '%Y-%m-%d') FROM calls").rows]
    found: list[str] = []
    for day in days:
        client.export("calls", file := io.BytesIO(), day)
        found += [str(each) for each in pyarrow.parquet.read_table(file, columns=["call"])["call"].to_pylist()]
    return found


def compare(answered: list[Answered], recorded: list[str]) -> Found:
    """Calls may be recorded that nobody got the answer of.

    >>> compare([Answered("a", 0, 0), Answered("b", 0, 0)], ["a", "a", "c"])
    Found(answered=2, recorded=3, missing=1, repeated=1)
    """
    known = set(recorded)
    if not answered:
        raise BenchmarkError("no call was answered")
    missing = sum(each.call not in known for each in answered)
    return Found(len(answered), len(recorded), missing, len(recorded) - len(known))


def _at(ordered: list[float], percent: int) -> float:
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]
