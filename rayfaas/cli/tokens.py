"""`rayfaas token`: who may use the server, and as what."""

from __future__ import annotations

import click

from rayfaas.cli.output import json_option, show_json, show_rows
from rayfaas.cli.values import parse_duration
from rayfaas.client import Client

_HEADINGS = {
    "id": "ID",
    "principal": "PRINCIPAL",
    "team": "TEAM",
    "role": "ROLE",
    "created_by": "CREATED BY",
    "expires_at": "EXPIRES",
}


@click.group()
def token() -> None:
    """Make, list and revoke tokens."""


@token.command()
@click.argument("principal")
@click.option("--team", help="The team it belongs to; yours if not said.")
@click.option("--role", type=click.Choice(["viewer", "invoker", "deployer", "admin"]), default="invoker")
@click.option("--expires", help="Until it ends: 90m, 12h, 30d. Never if not said.")
@json_option
def create(principal: str, team: str | None, role: str, expires: str | None, as_json: bool) -> None:
    """Make a token for PRINCIPAL, a person or a service. Its secret is shown this once."""
    expires_in_s = None if expires is None else parse_duration(expires)
    with Client() as client:
        made = client.create_token(principal, team, role, expires_in_s)
    if as_json:
        show_json(made)
    else:
        click.echo(made["token"])


@token.command(name="list")
@json_option
def list_(as_json: bool) -> None:
    """List the tokens in force, without their secrets."""
    with Client() as client:
        show_rows(client.tokens(), _HEADINGS, as_json)


@token.command()
@click.argument("token_id")
def revoke(token_id: str) -> None:
    """Refuse the token with this id from now on."""
    with Client() as client:
        client.revoke_token(token_id)
    click.echo(f"{token_id} is revoked.")
