"""`rayfaas usage`: who called what, how often, how long it took and what it used."""

from __future__ import annotations

import click

from rayfaas.cli.output import json_option, show_json, show_table
from rayfaas.cli.terminal import STDERR
from rayfaas.cli.values import parse_duration
from rayfaas.client import Client


@click.command()
@click.argument("function", required=False)
@click.option("--by", help="Columns to group by, with commas: team, version, alias, caller, flow, day, …")
@click.option("--since", default="30d", show_default=True, help="From how long ago: 90m, 12h, 30d.")
@click.option("--until", default="0s", show_default=True, help="To how long ago.")
@click.option("--team", help="Only calls by this team.")
@click.option("--cost", is_flag=True, help="What they cost, and what idle machines did.")
@json_option
def usage(
    function: str | None, by: str | None, since: str, until: str, team: str | None, cost: bool, as_json: bool
) -> None:
    """Show what calls of FUNCTION, or of all, came to: by the callers' teams, or by function.

    A call inside a call counts for the team that began the chain; `--by via` names the function that made it.
    """
    parse_duration(since), parse_duration(until)  # wrong ones are the command line's fault
    columns = (by or ("team" if function else "function")).split(",")
    with Client() as client, STDERR.status("Asking …"):
        table = client.usage(function, columns, since, until, team, cost)
        if function and not table.rows:
            client.function(function)  # where there is none, that is the answer, and not that nobody calls it
    if as_json:
        show_json(table.dicts())
    else:
        show_table([column.upper().replace("_", " ") for column in table.columns], table.rows)
