"""`rayfaas cloud simulate`: what each keep-alive would have cost for calls of the past."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import click
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from rayfaas.cli.output import json_option, show_rows
from rayfaas.cli.terminal import STDERR
from rayfaas.cloud import simulation
from rayfaas.cloud.trace import Trace, read_trace
from rayfaas.durations import seconds_of
from rayfaas.errors import BadRequest

# What is compared with what is learned.
_KEPT = ("0s", "1m", "5m", "15m", "60m")


@click.command()
@click.argument("trace", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--wake", default="2m", show_default=True, help="How long a machine takes to start.")
@click.option("--usd", type=click.FloatRange(min=0), default=1.0, show_default=True, help="What an hour of one costs.")
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), help="Draw it, to FILE.png, .svg or .pdf.")
@json_option
def simulate(trace: Path, wake: str, usd: float, plot: Path | None, as_json: bool) -> None:
    """Tell what each keep-alive would have cost for the calls of TRACE, a CSV file of time, function and duration.

    The public traces of Azure Functions (2019 and 2021) and of Alibaba (GenAI 2026) are read as they are. Each function
    has a machine of its own, that starts with a call. Nothing is started.
    """
    wake_s, chart = seconds_of(wake), None if plot is None else _chart()
    rows = _simulated(trace, wake_s, usd)
    if chart is not None and plot is not None:
        chart.draw(rows, f"{rows[0]['calls']:,} calls; a wake takes {wake}, an hour costs ${usd:g}", plot)
    show_rows(rows, {each: each.upper().replace("_", " ") for each in rows[0]}, as_json)


def _simulated(file: Path, wake_s: float, usd: float) -> list[dict[str, Any]]:
    policies = {"learned": simulation.learned, **{each: simulation.fixed(seconds_of(each)) for each in _KEPT}}
    rows = []
    with _bar() as bar:
        reading = bar.add_task("reading", total=file.stat().st_size)
        trace = read_trace(file, lambda size: bar.update(reading, completed=size))
        bar.remove_task(reading)
        task = bar.add_task("simulating", total=_size(trace) * len(policies))
        for name, policy in policies.items():
            told = simulation.simulate(trace, policy, wake_s, _advance(bar, task))
            row = {"keep_alive": name, **asdict(told), "usd": told.up_hours * usd}
            rows.append({key: round(value, 2) if isinstance(value, float) else value for key, value in row.items()})
    return rows


@contextmanager
def _bar() -> Iterator[Progress]:
    """On a terminal, and gone when it is done."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=STDERR, transient=True, disable=not STDERR.is_terminal) as bar:
        yield bar


def _advance(bar: Progress, task: TaskID) -> simulation.Done:
    return lambda calls: bar.advance(task, calls)


def _size(trace: Trace) -> int:
    return sum(map(len, trace.values()))


def _chart() -> ModuleType:
    """matplotlib is loaded for it alone."""
    try:
        return import_module("rayfaas.cli.simulation_chart")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "matplotlib":
            raise
        raise BadRequest("--plot needs matplotlib: pip install 'rayfaas[plot]'") from None
