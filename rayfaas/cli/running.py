"""`rayfaas ps`: what goes on now, in sentences: which functions run, what they are for, and for whom."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import click

from rayfaas.cli.output import json_option, show_json
from rayfaas.cli.statements import statement
from rayfaas.client import Client

Row = dict[str, Any]


@click.command()
@json_option
def ps(as_json: bool) -> None:
    """Tell what runs now and was called in the last hour: which functions, what for, by which teams."""
    with Client() as client:
        rows = client.sql(statement("running")).dicts()
    if as_json:
        show_json(rows)
        return
    for _, group in groupby(rows, lambda row: (row["function"], row["version"])):
        click.echo(sentence(list(group)))
    if not rows:
        click.echo("Nothing runs, and nothing was called in the last hour.")


def sentence(rows: Sequence[Row]) -> str:
    """What goes on with one version; a row for each team that calls it.

    >>> row = {"function": "nlp/tune", "version": 2, "about": "Tune BERT.", "aliases": ["prod"], "calls": 1}
    >>> sentence([{**row, "team": "x", "running": 1, "seconds": 90}, {**row, "team": "y", "running": 0}])
    'nlp/tune, version 2 (prod): Tune BERT. Running: 1 by team x, for 2 min. In the last hour: 1 call by team x, 1 by \
team y.'
    """
    first = rows[0]
    leads = f" ({', '.join(first['aliases'])})" if first["aliases"] else ""
    name = f"{first['function']}, version {first['version']}{leads}"
    parts = [f"{name}: {_ended(first['about'])}" if first["about"] else f"{name}."]
    running = [row for row in rows if row["running"]]
    if running:
        longest = _duration(max(row["seconds"] for row in running))
        parts.append(f"Running: {_by_team(running, 'running')}, for {longest}.")
    word = "call" if rows[0]["calls"] == 1 else "calls"
    parts.append(f"In the last hour: {_by_team(rows, 'calls', word)}.")
    return " ".join(parts)


def _ended(about: str) -> str:
    """
    >>> _ended("tune BERT"), _ended("Why?")
    ('tune BERT.', 'Why?')
    """
    return about if about.endswith((".", "!", "?", ":", "…")) else f"{about}."


def _by_team(rows: Sequence[Row], count: str, word: str = "") -> str:
    first, *others = (f"by team {row['team']}" for row in rows)
    told = [f"{rows[0][count]:,} {word} {first}".replace("  ", " ")]
    return ", ".join([*told, *(f"{row[count]:,} {by}" for row, by in zip(rows[1:], others, strict=True))])


def _duration(seconds: float) -> str:
    """
    >>> _duration(5), _duration(90), _duration(7300)
    ('5 s', '2 min', '2.0 h')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"
