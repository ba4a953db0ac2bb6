"""`rayfaas why-miss`: what kept a call from being given the result of an earlier one."""

from __future__ import annotations

import click

from rayfaas.cli.output import json_option, show_json
from rayfaas.client import Client


@click.command("why-miss")
@click.argument("call")
@json_option
def why_miss(call: str, as_json: bool) -> None:
    """Name the first part in which CALL differs from the nearest one before it: its code, its environment, an argument,
    an artifact that it read."""
    with Client() as client:
        told = client.why_miss(call)
    if as_json:
        show_json(told)
        return
    click.echo(f"{told['part']}: {told['detail']}")
    if told.get("nearest"):
        click.echo(f"The nearest call is {told['nearest']}.")
