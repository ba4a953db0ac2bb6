"""`rayfaas functions`, `versions` and `alias`: what is deployed, and which version a name means."""

from __future__ import annotations

from typing import Any

import click

from rayfaas.cli.output import json_option, show_json, show_rows, when
from rayfaas.client import Client


@click.command()
@json_option
def functions(as_json: bool) -> None:
    """List the deployed functions and what their aliases lead to."""
    with Client() as client:
        found = client.functions()
    if as_json:
        show_json(found)
        return
    rows = [
        {
            "function": f"{each['team']}/{each['name']}",
            "aliases": ", ".join(f"{alias['alias']} → {alias['version']}" for alias in each["aliases"]),
            "created": when(each["created_at"]),
            "by": each["created_by"],
        }
        for each in found
    ]
    show_rows(rows, {"function": "FUNCTION", "aliases": "ALIASES", "created": "CREATED", "by": "BY"}, False)


@click.command()
@click.argument("function")
@json_option
def versions(function: str, as_json: bool) -> None:
    """List the versions of FUNCTION, newest first: when, by whom, from which commit."""
    with Client() as client:
        found = client.versions(function)
    if as_json:
        show_json(found)
        return
    headings = {
        "version": "VERSION",
        "state": "STATE",
        "published": "PUBLISHED",
        "by": "BY",
        "commit": "COMMIT",
        "message": "MESSAGE",
        "failure": "FAILURE",
    }
    show_rows([_version(each) for each in found], headings, False)


@click.command()
@click.argument("function")
@click.argument("name")
@click.argument("version", type=int)
@click.option("--reason", default="", help="Why; kept with the move.")
@json_option
def alias(function: str, name: str, version: int, reason: str, as_json: bool) -> None:
    """Have the alias NAME of FUNCTION lead to VERSION: `rayfaas alias embed prod 7`."""
    with Client() as client:
        moved = client.move_alias(function, name, version, reason)
    if as_json:
        show_json(moved)
    else:
        click.echo(f"{function}@{name} leads to version {version} now.")


def _version(row: dict[str, Any]) -> dict[str, Any]:
    provenance = row["provenance"]
    commit = provenance.get("git_commit")
    return {
        "version": row["version"],
        "state": row["state"],
        "published": when(row["published_at"]),
        "by": row["published_by"],
        "commit": f"{commit[:10]}{'+' if provenance.get('git_dirty') else ''}" if commit else "",
        "message": provenance.get("message"),
        "failure": (row["failure"] or "").partition("\n")[0],
    }
