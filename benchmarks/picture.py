"""The comparison of systems as a picture: requests per second and latency, on logarithmic scales."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.comparison import OURS, Summary
from benchmarks.throughput import MANY

PICTURE = "throughput.png"
_OURS, _THEIRS = "#d1495b", "#8d99ae"


def draw(summaries: Sequence[Summary], caption: str, path: Path) -> None:
    """Write a PNG with a bar for each system, the first on top."""
    figure = Figure(figsize=(11, 0.42 * len(summaries) + 1.6), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    names = [each.system for each in summaries]
    _bars(left, names, [each.requests_per_s_many for each in summaries], "{:,.0f}")
    _bars(right, names, [each.p50_ms_one for each in summaries], "{:.2f} ms")
    left.set_title(f"requests/s at {MANY} connections (more is better)", fontsize=10)
    right.set_title("median latency at 1 connection (less is better)", fontsize=10)
    left.invert_yaxis()
    figure.supxlabel(caption, fontsize=8)
    figure.savefig(path, dpi=130)


def _bars(axes: Axes, names: list[str], values: list[float], label: str) -> None:
    bars = axes.barh(names, values, color=[_OURS if name == OURS else _THEIRS for name in names])
    axes.bar_label(bars, [label.format(value) for value in values], padding=3, fontsize=8)
    axes.set_xscale("log")
    axes.margins(x=0.25)
    axes.spines[["top", "right"]].set_visible(False)
