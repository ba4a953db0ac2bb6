"""`rayfaas calls` and `replay`: how calls ended, and another try for those that were kept with their arguments."""

from __future__ import annotations

import click

from rayfaas.cli.output import json_option, show_rows
from rayfaas.cli.statements import statement
from rayfaas.client import Client

STATES = ("waiting", "running", "succeeded", "cached", "failed", "timed_out", "cancelled", "rejected", "interrupted")

_HEADINGS = {
    "call": "CALL",
    "function": "FUNCTION",
    "version": "VERSION",
    "method": "METHOD",
    "state": "STATE",
    "code": "CODE",
    "attempts": "ATTEMPTS",
    "caller": "CALLER",
    "accepted_at": "ACCEPTED",
    "spawned": "SPAWNED",
}


@click.command()
@click.argument("function", required=False)
@click.option("--state", type=click.Choice(STATES, case_sensitive=False), help="Only those in this state.")
@click.option("-n", "--limit", type=click.IntRange(1, 1_000), default=50, show_default=True, help="At most so many.")
@json_option
def calls(function: str | None, state: str | None, limit: int, as_json: bool) -> None:
    """List the newest calls, of FUNCTION or of all. Those that were spawned can be run again: `rayfaas replay`."""
    with Client() as client:
        table = client.sql(statement("calls"), [state and state.upper(), function, limit])
    show_rows(table.dicts(), _HEADINGS, as_json)


@click.command()
@click.argument("ids", nargs=-1, required=True, metavar="CALL...")
@json_option
def replay(ids: tuple[str, ...], as_json: bool) -> None:
    """Run spawned calls again with their arguments, each as another call, and print the ids of those."""
    with Client() as client:
        made = [{"call": each, "replay": client.spawned(each).replay().id} for each in ids]
    show_rows(made, {"call": "CALL", "replay": "RUNS AGAIN AS"}, as_json)
