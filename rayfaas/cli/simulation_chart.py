"""What keep-alives cost and how long calls waited, as bars, with matplotlib."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rayfaas.errors import BadRequest

_LEARNED, _FIXED = "#d1495b", "#8d99ae"
# Row → (title, how a value is written)
_PANELS = {
    "usd": ("cost of machines", "${:,.2f}"),
    "cold": ("calls that found no machine", "{:,.0f}"),
    "waited_hours": ("hours that calls waited", "{:,.2f}"),
}


def draw(rows: Sequence[Mapping[str, Any]], caption: str, file: Path) -> None:
    """Write a picture with a bar for each keep-alive, of the kind that the file's ending says. Raises `BadRequest`."""
    figure = Figure(figsize=(11, 0.42 * len(rows) + 1.6), layout="constrained")
    panels = figure.subplots(1, len(_PANELS), sharey=True)
    for axes, (column, (title, label)) in zip(panels, _PANELS.items(), strict=True):
        _bars(axes, rows, column, label)
        axes.set_title(f"{title} (less is better)", fontsize=9)
    panels[0].invert_yaxis()
    figure.supxlabel(caption, fontsize=8)
    try:
        figure.savefig(file, dpi=130)
    except (OSError, ValueError) as error:
        raise BadRequest(f"{file} can't be drawn: {error}") from None


def _bars(axes: Axes, rows: Sequence[Mapping[str, Any]], column: str, label: str) -> None:
    names, values = [row["keep_alive"] for row in rows], [row[column] for row in rows]
    bars = axes.barh(names, values, color=[_LEARNED if name == "learned" else _FIXED for name in names])
    axes.bar_label(bars, [label.format(value) for value in values], padding=3, fontsize=8)
    axes.margins(x=0.25)
    axes.spines[["top", "right"]].set_visible(False)
