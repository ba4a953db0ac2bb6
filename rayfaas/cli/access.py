"""`rayfaas access` and `grant`: for whom a function is."""

from __future__ import annotations

from typing import Any, Literal

import click

from rayfaas.cli.output import json_option, show_json
from rayfaas.client import Client

_MESSAGE = click.option("-m", "--message", default="", help="Why; kept in the audit.")


@click.command()
@click.argument("function")
@click.option("--team", "access", flag_value="team", help="For its own team, and for those that have a grant.")
@click.option("--everybody", "access", flag_value="everybody", help="For all teams.")
@_MESSAGE
@json_option
def access(function: str, access: Literal["team", "everybody"] | None, message: str, as_json: bool) -> None:
    """Show for whom FUNCTION is, or change that: `rayfaas access embed --team`.

    To others it is as if there were no such function.
    """
    with Client() as client:
        _show(client.set_access(function, access, message) if access else client.access(function), as_json)


@click.command()
@click.argument("function")
@click.argument("team")
@click.option("--revoke", is_flag=True, help="Take the grant back.")
@_MESSAGE
@json_option
def grant(function: str, team: str, revoke: bool, message: str, as_json: bool) -> None:
    """Let TEAM see and call FUNCTION though it is not for everybody: `rayfaas grant embed ads`."""
    with Client() as client:
        change = client.revoke_grant if revoke else client.grant
        _show(change(function, team, message), as_json)


def _show(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        return show_json(found)
    granted = ", ".join(found["grants"])
    if found["access"] == "team":
        click.echo(f"{found['function']} is for its own team" + (f" and for {granted}." if granted else "."))
    else:
        also = f" Grants for the time when it is not: {granted}." if granted else ""
        click.echo(f"{found['function']} is for everybody.{also}")
