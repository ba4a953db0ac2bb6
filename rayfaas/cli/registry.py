"""`rayfaas sql`, `schema` and `logs`: what the registry has recorded."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import click

from rayfaas.cli.output import json_option, show_json, show_rows, show_table
from rayfaas.cli.statements import statement
from rayfaas.cli.terminal import STDERR
from rayfaas.cli.values import parse_value
from rayfaas.cli.whole_file import whole_file
from rayfaas.client import Client
from rayfaas.errors import BadRequest
from rayfaas.names import is_call
from rayfaas.wire import ARROW, PARQUET

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("query")
@click.option("-p", "--parameter", "parameters", multiple=True, help="For the next ? in the query; JSON, else text.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV instead of a table.")
@click.option("--arrow", type=_FILE, help="Write an Arrow IPC stream into this file, with the types of SQL.")
@click.option("--parquet", type=_FILE, help="Write a Parquet file.")
@json_option
def sql(
    query: str, parameters: tuple[str, ...], as_csv: bool, arrow: Path | None, parquet: Path | None, as_json: bool
) -> None:
    """Ask the registry one SELECT. `rayfaas schema` tells of the views and their columns.

    rayfaas sql "SELECT function, caller, count(*) FROM calls GROUP BY ALL"
    """
    for file, media in ((arrow, ARROW), (parquet, PARQUET)):
        if file is not None:
            return _save(query, parameters, file, media)
    with Client() as client, STDERR.status("Asking …"):
        table = client.sql(query, [parse_value(each) for each in parameters])
    if as_json:
        show_json(table.dicts())
    elif as_csv:
        csv.writer(sys.stdout, lineterminator="\n").writerows([table.columns, *table.rows])
    else:
        show_table(table.columns, table.rows)
    if table.truncated:
        STDERR.print(f"Only the first {len(table.rows)} rows; the server sends no more. Aggregate, or add a LIMIT.")


@click.command()
@click.argument("view", required=False)
@json_option
def schema(view: str | None, as_json: bool) -> None:
    """Tell of the columns of VIEW, or of all views that `rayfaas sql` can ask."""
    with Client() as client:
        rows = client.sql(statement("schema"), [view]).dicts()
    if not rows:
        raise BadRequest(f"There is no view {view}. `rayfaas schema` lists them.")
    show_rows(rows, {"view": "VIEW", "column": "COLUMN", "type": "TYPE", "meaning": "MEANING"}, as_json)


@click.command()
@click.argument("function", required=False, metavar="[FUNCTION|CALL]")
@click.option("-n", "--lines", default=100, show_default=True, help="The newest so many lines.")
@click.option("-f", "--follow", is_flag=True, help="Go on with those to come; of a call all, until it ends.")
@json_option
def logs(function: str | None, lines: int, follow: bool, as_json: bool) -> None:
    """Show what calls printed and logged: of FUNCTION, of the call with the id CALL, or of all."""
    function, call = (None, function) if function and is_call(function) else (function, None)
    with Client() as client:
        if follow:
            for line in client.follow(function, call, lines):
                click.echo(json.dumps(line, ensure_ascii=False) + "\n" if as_json else _text(line), nl=False)
            return
        found = client.logs(function, call, lines)
    if as_json:
        show_json(found)
        return
    for line in found:
        click.echo(_text(line), nl=False)


def _save(query: str, parameters: tuple[str, ...], path: Path, media: str) -> None:
    with Client() as client, STDERR.status("Asking …"), whole_file(path) as file:
        truncated = client.save_sql(query, file, media, [parse_value(each) for each in parameters])
    if truncated:
        STDERR.print("Only the first rows; the server sends no more. Aggregate, or take `rayfaas export`.")


def _text(line: dict[str, Any]) -> str:
    text = line["text"] if line["text"].endswith("\n") else f"{line['text']}\n"
    return f"{line['at'][:23]} {line['function']}:{line['version']} {line['call'][-8:]} {line['stream']}: {text}"
