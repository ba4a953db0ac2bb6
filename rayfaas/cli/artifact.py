"""`rayfaas artifact`: what names of artifacts lead to."""

from __future__ import annotations

from pathlib import Path

import click

from rayfaas.cli.group import Group
from rayfaas.cli.local_file import version_of
from rayfaas.cli.output import json_option, show_json, show_rows, when
from rayfaas.client import Client

_HEADINGS = {
    "artifact": "ARTIFACT",
    "uri": "LEADS TO",
    "version": "VERSION",
    "revision": "REVISION",
    "moved_by": "MOVED BY",
    "moved_at": "MOVED",
    "reason": "WHY",
}


@click.group(cls=Group)
def artifact() -> None:
    """Have names of artifacts lead to files and objects, and list what they lead to."""


@artifact.command()
@click.argument("name", metavar="[TEAM/]NAME:ALIAS")
@click.argument("to", metavar="FILE|URI")
@click.option("--version", help="Of the object; a file's is its content, else that which was recorded last.")
@click.option("-m", "--message", default="", help="Why; kept with the move.")
@json_option
def move(name: str, to: str, version: str | None, message: str, as_json: bool) -> None:
    """Have NAME lead to a file or an object: `rayfaas artifact move bert:prod s3://models/bert.bin`.

    Functions get it by `artifact://bert:prod`. A file's path must be the same where they run.
    """
    path = Path(to)
    if "://" not in to:
        if not path.is_file():
            raise click.UsageError(f"There is no file {to} here; of an object say its URI.")
        to, version = path.resolve().as_uri(), version or version_of(path)
    with Client() as client:
        moved = client.move_artifact(name, to, version, message)
    if as_json:
        show_json(moved)
    else:
        of = f", version {moved['version']}" if moved["version"] else ""
        click.echo(f"artifact://{_name(moved)} is {moved['uri']}{of}")


@artifact.command(name="list")
@json_option
def list_(as_json: bool) -> None:
    """List what names of artifacts lead to; `rayfaas sql "FROM artifact_moves"` has what they led to before."""
    with Client() as client:
        rows = client.artifacts()
    if not as_json:
        rows = [{**row, "artifact": _name(row), "moved_at": when(row["moved_at"])} for row in rows]
    show_rows(rows, _HEADINGS, as_json)


def _name(row: dict[str, object]) -> str:
    return f"{row['team']}/{row['name']}:{row['alias']}"
