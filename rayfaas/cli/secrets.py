"""`rayfaas secrets`: variables that only functions see which name them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import click

from rayfaas.cli.group import Group
from rayfaas.cli.output import json_option, show_rows, when
from rayfaas.client import Client

_HEADINGS = {
    "team": "TEAM",
    "name": "NAME",
    "keys": "KEYS",
    "revision": "REVISION",
    "set_by": "SET BY",
    "set_at": "SET",
}
_MESSAGE = click.option("-m", "--message", default="", help="Why; kept in the audit.")


@click.group(cls=Group)
def secrets() -> None:
    """Set, list and delete secrets."""


@secrets.command(name="set")
@click.argument("name")
@click.argument("values", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--from-env", multiple=True, metavar="KEY", help="Take the value of this variable.")
@click.option(
    "--from-file", multiple=True, metavar="[KEY=]PATH", help="The file is KEY's value; without KEY= it is a .env."
)
@click.option("--team", help="The team that it belongs to; yours if not said.")
@click.option("--restart", is_flag=True, help="Replace the executors that run with what it was before.")
@_MESSAGE
def set_(
    name: str,
    values: tuple[str, ...],
    from_env: tuple[str, ...],
    from_file: tuple[str, ...],
    team: str | None,
    restart: bool,
    message: str,
) -> None:
    """Have the secret NAME hold these variables, and no others.

    A value that is given as an argument is seen by who lists this machine's processes: --from-env and --from-file are
    not.
    """
    given = {**_pairs(values), **_from_environment(from_env), **_from_files(from_file)}
    if not given:
        raise click.UsageError("Say what it holds: KEY=VALUE, --from-env KEY or --from-file PATH.")
    with Client() as client:
        client.set_secret(name, given, team=team, restart=restart, message=message)
    now = "executors are being replaced" if restart else "executors that start from now on have it"
    click.echo(f"{name} holds {', '.join(sorted(given))}; {now}.")


@secrets.command(name="list")
@json_option
def list_(as_json: bool) -> None:
    """List secrets and the names of their variables."""
    with Client() as client:
        rows = client.secrets()
    if not as_json:
        rows = [{**row, "keys": ", ".join(row["keys"]), "set_at": when(row["set_at"])} for row in rows]
    show_rows(rows, _HEADINGS, as_json)


@secrets.command()
@click.argument("name")
@click.option("--team", help="The team that it belongs to; yours if not said.")
@_MESSAGE
def delete(name: str, team: str | None, message: str) -> None:
    """Delete a secret that no function needs which can be called by an alias."""
    with Client() as client:
        client.delete_secret(name, team=team, message=message)
    click.echo(f"{name} is deleted.")


def _pairs(texts: Iterable[str]) -> dict[str, str]:
    for text in texts:
        if "=" not in text:
            raise click.UsageError("Values are written KEY=VALUE.")
    return dict(text.split("=", 1) for text in texts)


def _from_environment(keys: tuple[str, ...]) -> dict[str, str]:
    if missing := [key for key in keys if key not in os.environ]:
        raise click.UsageError(f"There is no variable {', '.join(missing)} here.")
    return {key: os.environ[key] for key in keys}


def _from_files(texts: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        key, _, path = text.rpartition("=")
        content = _read(Path(path))
        found |= {key: content} if key else _pairs(_lines(content))
    return found


def _lines(content: str) -> list[str]:
    """Of a .env file: quotes around a value, and `export` before a name, are not part of them."""
    lines = (line.strip().removeprefix("export ") for line in content.splitlines())
    pairs = [line.partition("=") for line in lines if line and not line.startswith("#")]
    return [f"{key.strip()}{equals}{_unquoted(value.strip())}" for key, equals, value in pairs]


def _unquoted(value: str) -> str:
    is_quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
    return value[1:-1] if is_quoted else value


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{path} can't be read: {error}") from None
