"""`rayfaas export`: what the registry has recorded, as Parquet files for other programs."""

from __future__ import annotations

from pathlib import Path

import click

from rayfaas.cli.statements import statement
from rayfaas.cli.terminal import STDERR
from rayfaas.cli.values import parse_duration
from rayfaas.cli.whole_file import whole_file
from rayfaas.client import Client

_DAILY = ("calls", "logs", "lineage")


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--since", default="100y", help="Of calls, logs and lineage, the days from so long ago: 30d. All if not said."
)
@click.option("--until", default="0s", show_default=True, help="To how long ago.")
def export(directory: Path, since: str, until: str) -> None:
    """Write all that your team sees of the registry into DIRECTORY, as Parquet files.

    A file for each view; for calls, logs and lineage one for each day, as calls/day=2026-11-27/data.parquet, which
    DuckDB, Spark and pandas read as one table. What is there already is written anew.
    """
    span = parse_duration(since), parse_duration(until)
    with Client() as client, STDERR.status("Asking …") as status:
        views = [str(row[0]) for row in client.sql(statement("views")).rows]
        for view in views:
            for day in _days(client, view, span) if view in _DAILY else (None,):
                status.update(f"Writing {view} {day or ''} …")
                name = f"{view}/day={day}/data.parquet" if day else f"{view}.parquet"
                rows = _save(client, view, day, directory / name)
                click.echo(f"{name}: {rows:,} rows")


def _days(client: Client, view: str, span: tuple[float, float]) -> list[str]:
    return [str(row[0]) for row in client.sql(statement(f"days_of_{view}"), span).rows]


def _save(client: Client, view: str, day: str | None, path: Path) -> int:
    with whole_file(path, with_folders=True) as file:
        return client.export(view, file, day)
