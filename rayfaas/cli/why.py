"""`rayfaas why`: where something came from, in sentences; of a file's columns from the file alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec

from rayfaas.cli.lineage import uri_of
from rayfaas.cli.local_file import a_file_of, graph_of
from rayfaas.cli.output import json_option, show_json
from rayfaas.cli.sentences import explain
from rayfaas.client import Client
from rayfaas.errors import BadRequest, NotFound, RayfaasError
from rayfaas.graph import Graph
from rayfaas.stamps import Stamp, read_stamps


@click.command()
@click.argument("of", metavar="FILE|URI|FN:3|CALL")
@click.option("--column", help="Of a Parquet or Arrow file: only this column.")
@click.option("--offline", is_flag=True, help="Ask no server: only what the file itself says.")
@json_option
def why(of: str, column: str | None, offline: bool, as_json: bool) -> None:
    """Tell why a file, an object, a call or a version is what it is: which code made it, of what.

    Columns of Parquet and Arrow files carry who wrote them, so of those it works without a server too.
    """
    path = Path(of)
    marks = _marks(path, column) if path.is_file() else {}
    if column is not None and not path.is_file():
        raise BadRequest("--column asks for a column of a Parquet or Arrow file that is here.")
    graph, problem = (None, None) if offline else _ask(of, path, marks, column)
    if problem is not None and not marks:
        raise problem
    if as_json:
        show_json({"columns": marks, "graph": graph and msgspec.to_builtins(graph)})
        return
    for line in [*_told(marks), *(explain(graph) if graph else [])]:
        click.echo(line)
    if problem is not None:
        click.echo(f"What led to that is not known here: {problem.detail}", err=True)
    if offline and not marks:
        click.echo(f"{of} itself does not say.")


def _marks(path: Path, column: str | None) -> dict[str, dict[str, Any] | None]:
    found = read_stamps(path)
    if column is not None:
        if column not in found:
            has = f"It has {', '.join(found)}." if found else "It is no Parquet or Arrow file."
            raise BadRequest(f"{path} has no column {column!r}. {has}")
        found = {column: found[column]}
    return {name: msgspec.to_builtins(mark) if isinstance(mark, Stamp) else None for name, mark in found.items()}


def _ask(
    of: str, path: Path, marks: dict[str, dict[str, Any] | None], column: str | None
) -> tuple[Graph | None, RayfaasError | None]:
    """What the server knows of it, or why it says nothing."""
    mark = marks.get(column) if column is not None else None
    try:
        with Client() as client:
            if mark is not None:
                return client.lineage(mark["call"]), None
            if not path.is_file():
                return client.lineage(uri_of(of)), None
            return graph_of(client, path), None
    except NotFound as error:
        return None, NotFound(error.detail + a_file_of(path))
    except RayfaasError as error:
        return None, error


def _told(marks: dict[str, dict[str, Any] | None]) -> list[str]:
    """A sentence for the columns of each call."""
    columns: dict[str | None, list[str]] = {}
    for name, mark in marks.items():
        columns.setdefault(mark["call"] if mark else None, []).append(name)
    return [_of_columns(names, marks[names[0]]) for names in columns.values()]


def _of_columns(names: list[str], mark: dict[str, Any] | None) -> str:
    which = f"Column {names[0]}" if len(names) == 1 else f"Columns {', '.join(names)}"
    if mark is None:
        return f"{which}: the file does not say who wrote that."
    was = "was" if len(names) == 1 else "were"
    return f"{which} {was} written by {mark['function']} (version {mark['version']}) in call {mark['call']}."
