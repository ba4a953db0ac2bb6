"""python -m benchmarks [--rounds N] [--seconds S] [--only NAMES] [--systems NAMES] [--quick] [--output DIR]"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click

from benchmarks import (
    calling,
    cold_start,
    durability,
    edit_to_live,
    machines,
    payloads,
    registry_load,
    scale,
    sustained,
    throughput_report,
)
from benchmarks.plan import Plan, Say
from benchmarks.report import Section, save
from benchmarks.systems.all import SYSTEMS
from benchmarks.systems.system import System

RESULTS = Path(__file__).parent / "results"

PARTS: dict[str, Callable[[Plan, Path, Say], Section]] = {
    "throughput": throughput_report.run,
    "edit": edit_to_live.run,
    "cold": cold_start.run,
    "machines": machines.run,
    "calling": calling.run,
    "payloads": payloads.run,
    "registry": registry_load.run,
    "sustained": sustained.run,
    "durable": durability.run,
    "scale": scale.run,
}


@click.command()
@click.option("--rounds", type=click.IntRange(min=1), help="Turns of each system; 5 if not said.")
@click.option("--seconds", type=click.FloatRange(min=1), help="Length of one run of load; 5 if not said.")
@click.option("--only", default="", help=f"Parts to run, with commas between: {', '.join(PARTS)}.")
@click.option("--systems", default="", help="Systems to compare, with commas between: words of their names.")
@click.option("--quick", is_flag=True, help="Little of each, to see that it works.")
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), default=RESULTS, help="Where results go.")
def main(rounds: int | None, seconds: float | None, only: str, systems: str, quick: bool, output: Path) -> None:
    """Measure rayfaas and its neighbours in one run, on this machine."""
    plan = Plan.quick() if quick else Plan()
    plan = replace(plan, rounds=rounds or plan.rounds, seconds=seconds or plan.seconds, systems=chosen_systems(systems))
    say = _teller(time.monotonic())
    for name in chosen_parts(only):
        say(f"== {name}")
        save(PARTS[name](plan, output, say), output)
    say(f"written to {output.name}/")


def chosen_parts(only: str) -> list[str]:
    """All of them where nothing is said."""
    names = [name.strip() for name in only.split(",") if name.strip()]
    if unknown := set(names) - set(PARTS):
        raise click.BadParameter(f"There is no {', '.join(sorted(unknown))}. There are: {', '.join(PARTS)}.")
    return names or list(PARTS)


def chosen_systems(words: str) -> tuple[System, ...]:
    """Those in whose names one of the words is; all where nothing is said."""
    wanted = [word.strip().lower() for word in words.split(",") if word.strip()]
    found = tuple(each for each in SYSTEMS if not wanted or any(word in each.name.lower() for word in wanted))
    if not found:
        raise click.BadParameter(f"None matches. There are: {'; '.join(each.name for each in SYSTEMS)}.")
    return found


def _teller(started: float) -> Say:
    return lambda line: print(f"[{time.monotonic() - started:6.1f} s] {line}", flush=True)


if __name__ == "__main__":
    main()
