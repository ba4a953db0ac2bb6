"""`rayfaas team`: who is in which team, and as what."""

from __future__ import annotations

import click

from rayfaas.cli.group import Group
from rayfaas.cli.output import json_option, show_json, show_rows, when
from rayfaas.client import Client
from rayfaas.roles import ROLES

_TEAMS = {"team": "TEAM", "members": "MEMBERS", "since": "SINCE"}
_MEMBERS = {"principal": "PRINCIPAL", "role": "ROLE", "since": "SINCE", "set_by": "SET BY"}
_MESSAGE = click.option("-m", "--message", default="", help="Why; kept in the audit.")


@click.group(cls=Group)
def team() -> None:
    """Say who is in which team, and as what. A token has no more than its principal has."""


@team.command(name="list")
@json_option
def list_(as_json: bool) -> None:
    """List your teams; all, for admins."""
    with Client() as client:
        found = client.teams()
    if as_json:
        show_json(found)
    else:
        show_rows([{**each, "since": when(each["since"])} for each in found], _TEAMS, False)


@team.command()
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """List who is in the team NAME."""
    with Client() as client:
        found = client.members(name)
    if as_json:
        show_json(found)
    else:
        show_rows([{**each, "since": when(each["since"])} for each in found], _MEMBERS, False)


@team.command()
@click.argument("name")
@click.argument("principal")
@click.option("--role", type=click.Choice(ROLES), default="invoker", show_default=True)
@_MESSAGE
def add(name: str, principal: str, role: str, message: str) -> None:
    """Let PRINCIPAL into the team NAME, or change the role there: `rayfaas team add nlp ann --role deployer`."""
    with Client() as client:
        client.set_member(name, principal, role, message)
    click.echo(f"{principal} is {role} in team {name}.")


@team.command()
@click.argument("name")
@click.argument("principal")
@_MESSAGE
def remove(name: str, principal: str, message: str) -> None:
    """Take PRINCIPAL out of the team NAME; none of their tokens is for it from now on."""
    with Client() as client:
        client.remove_member(name, principal, message)
    click.echo(f"{principal} is not in team {name} any more.")
