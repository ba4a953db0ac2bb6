"""What a part of the benchmark found, and the files in which it is kept: latest.json, table.md.

A run of some parts replaces those and keeps the others; each tells when and on what it was measured.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from benchmarks.machine import Machine
from benchmarks.samples import Samples

JSON = "latest.json"
TABLE = "table.md"


@dataclass(frozen=True)
class Section:
    """`markdown` tells of `data`, which is what was measured, as JSON can hold it."""

    name: str
    title: str
    measured_on: str
    machine: str
    markdown: str
    data: Mapping[str, Any]

    @classmethod
    def of_now(cls, name: str, title: str, markdown: str, data: Mapping[str, Any]) -> Section:
        today = datetime.now(timezone.utc).date().isoformat()
        return cls(name, title, today, str(Machine.here()), markdown, data)


def save(section: Section, directory: Path) -> None:
    """Put the section in place of the one of its name, and write the table of all."""
    directory.mkdir(parents=True, exist_ok=True)
    sections = {each.name: each for each in load(directory)} | {section.name: section}
    kept = {name: asdict(each) for name, each in sections.items()}
    (directory / JSON).write_text(json.dumps(kept, indent=1) + "\n")
    (directory / TABLE).write_text(document(list(sections.values())))


def load(directory: Path) -> list[Section]:
    """The sections that were saved; none where nothing was."""
    try:
        kept = json.loads((directory / JSON).read_text())
    except FileNotFoundError:
        return []
    return [Section(**each) for each in kept.values()]


def document(sections: Sequence[Section]) -> str:
    """All sections in Markdown, each under its title, with date and machine."""
    return (
        "\n\n".join(
            f"**{each.title}**\n\n{each.markdown}\n\nMeasured on {each.measured_on}: {each.machine}."
            for each in sections
        )
        + "\n"
    )


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose first column is text and whose others are figures.

    >>> print(markdown_table(["", "ms"], [["a", "1"]]))
    |  | ms |
    | --- | ---: |
    | a | 1 |
    """
    rule = ["---"] + ["---:"] * (len(header) - 1)
    return "\n".join("| " + " | ".join(row) + " |" for row in (header, rule, *rows))


def samples_table(rows: Mapping[str, Samples]) -> str:
    """What was timed, a row each, in milliseconds."""
    cells = [
        [name, f"{each.median_ms:,.0f}", f"{each.min_ms:,.0f}", f"{each.max_ms:,.0f}", str(each.n)]
        for name, each in rows.items()
    ]
    return markdown_table(["", "median ms", "least", "most", "samples"], cells)
