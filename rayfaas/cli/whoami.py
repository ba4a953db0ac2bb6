"""`rayfaas whoami`: as whom, and at which server, the commands ask."""

from __future__ import annotations

import click

from rayfaas.cli.output import json_option, show_json, show_table
from rayfaas.client import Client


@click.command()
@json_option
def whoami(as_json: bool) -> None:
    """Tell which server the commands ask, as whom, and what the token may do in which team."""
    with Client() as client:
        found = client.whoami()
        if as_json:
            show_json(found)
            return
        click.echo(f"{found['principal']} at {client.config.url}, for team {found['team']}")
    if found["functions"] is not None:
        click.echo(f"for these functions only: {', '.join(found['functions'])}")
    click.echo()
    show_table(["TEAM", "ROLE"], sorted(found["teams"].items()))
