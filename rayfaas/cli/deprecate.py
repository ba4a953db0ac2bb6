"""`rayfaas deprecate`: tell the callers of a function that it is not to be called any more."""

from __future__ import annotations

from typing import Any

import click

from rayfaas.cli.output import json_option, show_json, show_rows
from rayfaas.client import Client

_SINCE = "30d"
_HEADINGS = {"team": "TEAM", "caller": "CALLER", "calls": "CALLS"}


@click.command()
@click.argument("function")
@click.option("--use", "successor", help="What to call instead: embed2, nlp/embed2.")
@click.option("--until", "sunset_at", help="When it may end: 2027-03-01.")
@click.option("--undo", is_flag=True, help="It may be called again.")
@click.option("-m", "--message", default="", help="Why; kept in the audit.")
@json_option
def deprecate(
    function: str, successor: str | None, sunset_at: str | None, undo: bool, message: str, as_json: bool
) -> None:
    """Tell the callers of FUNCTION that it is not to be called any more: `rayfaas deprecate embed --use embed2`.

    It goes on. Each answer says so, the Python client warns, and here is shown who called it lately.
    """
    if undo and (successor or sunset_at):
        raise click.UsageError("--undo takes back what was said: it goes without --use and --until.")
    with Client() as client:
        if undo:
            found = client.end_deprecation(function, message)
        else:
            found = client.deprecate(function, successor=successor, sunset_at=sunset_at, message=message)
        callers = [] if undo else _callers(client, found["function"])
    if as_json:
        show_json({**found, "callers": callers})
    elif undo:
        click.echo(f"{found['function']} is deprecated no more.")
    else:
        _show(found, callers)


def _callers(client: Client, function: str) -> list[dict[str, Any]]:
    """Who called it lately, with the number of calls."""
    table = client.usage(function, by=["team", "caller"], since=_SINCE)
    return [{name: each[name] for name in _HEADINGS} for each in table.dicts()]


def _show(found: dict[str, Any], callers: list[dict[str, Any]]) -> None:
    until = f", until {found['sunset_at'][:10]}" if found["sunset_at"] else ""
    instead = f" Call {found['successor']} instead." if found["successor"] else ""
    click.echo(f"{found['function']} is deprecated{until}.{instead}")
    if not callers:
        click.echo(f"Nobody that you see called it in the last {_SINCE.removesuffix('d')} days.")
        return
    click.echo(f"Calls in the last {_SINCE.removesuffix('d')} days:")
    show_rows(callers, _HEADINGS, False)
