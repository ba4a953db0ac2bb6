"""`rayfaas calls`, `replay` and `cancel`: how calls ended, what one was called with, another try where that is kept."""

from __future__ import annotations

import json

import click

from rayfaas.cli.output import json_option, show_json, show_rows, when
from rayfaas.cli.statements import statement
from rayfaas.client import Client
from rayfaas.names import is_call

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
@click.argument("function", required=False, metavar="[FUNCTION|CALL]")
@click.option("--state", type=click.Choice(STATES, case_sensitive=False), help="Only those in this state.")
@click.option("-n", "--limit", type=click.IntRange(1, 1_000), default=50, show_default=True, help="At most so many.")
@json_option
def calls(function: str | None, state: str | None, limit: int, as_json: bool) -> None:
    """List the newest calls, of FUNCTION or of all, or show the CALL with this id, with its arguments where they were
    recorded. Those that were spawned can be run again: `rayfaas replay`."""
    if function and is_call(function):
        return _show(function, as_json)
    with Client() as client:
        found = client.sql(statement("calls"), [state and state.upper(), function, limit]).dicts()
        if function and not found:
            client.function(function)  # where there is none, that is the answer, and not that nobody calls it
    if not as_json:
        found = [{**row, "accepted_at": when(row["accepted_at"])} for row in found]
    show_rows(found, _HEADINGS, as_json)


def _show(call_id: str, as_json: bool) -> None:
    with Client() as client:
        call = client.spawned(call_id).status()
    if as_json:
        return show_json(call)
    arguments = call.pop("arguments", None)
    for name, value in call.items():
        if value is not None:
            click.echo(f"{name.replace('_', ' '):15}{value}")
    if arguments is not None:
        click.echo(f"arguments      {json.dumps(arguments, indent=2, ensure_ascii=False)}")


@click.command()
@click.argument("ids", nargs=-1, required=True, metavar="CALL...")
@json_option
def replay(ids: tuple[str, ...], as_json: bool) -> None:
    """Run calls again with their arguments, each as another call, and print the ids of those.

    Calls that were spawned can be, and those whose arguments were recorded whole.
    """
    with Client() as client:
        made = [{"call": each, "replay": client.spawned(each).replay().id} for each in ids]
    show_rows(made, {"call": "CALL", "replay": "RUNS AGAIN AS"}, as_json)


@click.command()
@click.argument("ids", nargs=-1, required=True, metavar="CALL...")
def cancel(ids: tuple[str, ...]) -> None:
    """End calls, whether they wait or run; `rayfaas calls --state running` lists those that run."""
    with Client() as client:
        for each in ids:
            client.spawned(each).cancel()
            click.echo(f"{each} is cancelled.")
