"""`rayfaas token`: who may use the server, and as what."""

from __future__ import annotations

from typing import Any

import click

from rayfaas.cli.group import Group
from rayfaas.cli.output import json_option, show_json, show_rows
from rayfaas.cli.values import parse_duration
from rayfaas.client import Client
from rayfaas.roles import ROLES

_HEADINGS = {
    "id": "ID",
    "principal": "PRINCIPAL",
    "name": "NAME",
    "rights": "TEAMS",
    "only": "FUNCTIONS",
    "created_by": "CREATED BY",
    "expires_at": "EXPIRES",
}
_MESSAGE = click.option("-m", "--message", default="", help="Why; kept in the audit.")


@click.group(cls=Group)
def token() -> None:
    """Make, rotate, list and revoke tokens."""


@token.command()
@click.argument("principal")
@click.option("--team", "teams", multiple=True, metavar="TEAM[=ROLE]", help="A team that it is for; again for another.")
@click.option("--role", type=click.Choice(ROLES), help="In teams that name none; invoker if not said.")
@click.option("--all", "is_for_all", is_flag=True, help="For all that PRINCIPAL has, now and later.")
@click.option("--function", "functions", multiple=True, metavar="TEAM/NAME", help="For this alone; again for another.")
@click.option("--name", help="What it is rotated and revoked by.")
@click.option("--expires", help="Until it ends: 90m, 12h, 30d. Never if not said.")
@_MESSAGE
@json_option
def create(
    principal: str,
    teams: tuple[str, ...],
    role: str | None,
    is_for_all: bool,
    functions: tuple[str, ...],
    name: str | None,
    expires: str | None,
    message: str,
    as_json: bool,
) -> None:
    """Make a token for PRINCIPAL, a person or a service: `rayfaas token create ann --team nlp=deployer --team ads`.

    Its secret is shown this once. It is for your own team unless you say which.
    """
    expires_in_s = None if expires is None else parse_duration(expires)
    roles = dict(_team_and_role(each, role or "invoker") for each in teams)
    with Client() as client:
        made = client.create_token(
            principal,
            None,
            None if roles else role,
            expires_in_s,
            teams=roles,
            all=is_for_all,
            functions=functions,
            name=name,
            message=message,
        )
    _show_secret(made, as_json)


@token.command()
@click.argument("name")
@click.option("--overlap", help="How long the old secret is good too: 1h. Not at all if not said.")
@click.option("--expires", help="Until the new one ends; as long as the old one was made for if not said.")
@_MESSAGE
@json_option
def rotate(name: str, overlap: str | None, expires: str | None, message: str, as_json: bool) -> None:
    """Make another secret in place of the token of this NAME or id: `rayfaas token rotate ci --overlap 1h`."""
    overlap_s = 0.0 if overlap is None else parse_duration(overlap)
    expires_in_s = None if expires is None else parse_duration(expires)
    with Client() as client:
        _show_secret(client.rotate_token(name, overlap_s, expires_in_s, message), as_json)


@token.command(name="list")
@json_option
def list_(as_json: bool) -> None:
    """List the tokens in force, without their secrets."""
    with Client() as client:
        found = client.tokens()
    if as_json:
        show_json(found)
    else:
        show_rows([_row(each) for each in found], _HEADINGS, False)


@token.command()
@click.argument("name")
@_MESSAGE
def revoke(name: str, message: str) -> None:
    """Refuse the token with this id, or all of this NAME, from now on."""
    with Client() as client:
        client.revoke_token(name, message)
    click.echo(f"{name} is revoked.")


def _team_and_role(text: str, otherwise: str) -> tuple[str, str]:
    team, equals, role = text.partition("=")
    if equals and role not in ROLES:
        raise click.BadParameter(f"{role!r} is none of the roles {', '.join(ROLES)}.", param_hint="--team")
    return team, role or otherwise


def _row(token: dict[str, Any]) -> dict[str, Any]:
    rights = ", ".join(f"{team}={role}" for team, role in token["teams"].items())
    return {**token, "rights": rights or "none any more", "only": ", ".join(token["functions"] or ["all"])}


def _show_secret(made: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show_json(made)
    else:
        click.echo(made["token"])
