"""`rayfaas coverage`: how much of the lineage is known, and where the gaps are."""

from __future__ import annotations

from typing import Any

import click

from rayfaas.cli.output import json_option, show_json
from rayfaas.cli.statements import statement
from rayfaas.cli.values import parse_duration
from rayfaas.client import Client
from rayfaas.durations import seconds_of


@click.command()
@click.option("--since", default="30d", show_default=True, help="From how long ago: 90m, 12h, 30d.")
@click.option("-n", "--limit", type=click.IntRange(0, 1_000), default=20, show_default=True, help="Gaps of each kind.")
@json_option
def coverage(since: str, limit: int, as_json: bool) -> None:
    """Tell which share of calls has a known caller, and which share of the artifacts that were read a known producer.

    What a call read without rayfaas seeing it is in neither figure.
    """
    parse_duration(since)
    with Client() as client:
        rows = client.sql(statement("coverage"), [seconds_of(since), limit]).dicts()
    if as_json:
        show_json(rows)
        return
    for what, has, gap in (("calls", "a known caller", "calls"), ("artifacts", "a known producer", "reads")):
        click.echo(share(what, has, [row for row in rows if row["what"] == what], gap))


def share(what: str, has: str, rows: list[dict[str, Any]], counted: str) -> str:
    """The figure, and its gaps below.

    >>> rows = [{"gap": "all", "n": 4, "known": 3}, {"gap": "a/f by x", "n": 1}]
    >>> print(share("calls", "a known caller", rows, "calls"))
    3 of 4 calls (75 %) have a known caller.
      not known: a/f by x (1 calls)
    """
    whole = next(row for row in rows if row["gap"] == "all")
    if not whole["n"]:
        return f"There are no {what} of that time."
    first = f"{whole['known']:,} of {whole['n']:,} {what} ({100 * whole['known'] / whole['n']:.0f} %) have {has}."
    return "\n".join(
        [first, *(f"  not known: {row['gap']} ({row['n']:,} {counted})" for row in rows if row["gap"] != "all")]
    )
