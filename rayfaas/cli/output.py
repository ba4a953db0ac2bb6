"""What the commands print: tables for people, `--json` for programs, progress and errors on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rayfaas.errors import EnvironmentFailed, ExecutorDied, FunctionError, ImportFailed, RayfaasError
from rayfaas.later import Later
from rayfaas.wire import decode_json, encode_json

if TYPE_CHECKING:
    from rich import console, table

    from rayfaas.cli import terminal
else:
    # A command that prints a line of text or JSON is done before these are loaded.
    console, table = Later("rich.console"), Later("rich.table")
    terminal = Later("rayfaas.cli.terminal")

F = TypeVar("F", bound=Callable[..., Any])


def json_option(command: F) -> F:
    """`--json`: print JSON instead of a table."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")(command)


def show_json(value: Any) -> None:
    """One line of JSON: what JSON has no word for, as keys that are no text and NaN, is as `encode_json` writes it."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, default=_plain)
    except (TypeError, ValueError):
        text = json.dumps(_plain(value), ensure_ascii=False)
    click.echo(text)


def _plain(value: Any) -> Any:
    """Arrays, times and the like, of a result, as their JSON is."""
    return decode_json(encode_json(value))


def show_rows(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], as_json: bool) -> None:
    """A table with the columns `columns` (field → heading), or all fields of `rows` as JSON."""
    if as_json:
        show_json(list(rows))
        return
    show_table(list(columns.values()), ([row.get(field) for field in columns] for row in rows))


def show_table(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    shown = table.Table(box=None, header_style="bold", pad_edge=False)
    for heading in headings:
        shown.add_column(heading, overflow="fold")
    for row in rows:
        shown.add_row(*map(cell, row))
    # What is piped into another program is not cut to the width of a terminal.
    width = None if sys.stdout.isatty() else 1000
    console.Console(highlight=False, markup=False, emoji=False, width=width).print(shown)


def cell(value: Any) -> str:
    """A value as a table shows it.

    >>> cell(None), cell(2.0), cell(0.123456), cell([1])
    ('', '2', '0.1235', '[1]')
    """
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def when(text: str | None, now: datetime | None = None) -> str:
    """How long ago an ISO 8601 time is.

    >>> when("2026-01-01T10:00:00+00:00", datetime(2026, 1, 1, 12, 30, tzinfo=timezone.utc))
    '2 h ago'
    """
    if not text:
        return ""
    then = datetime.fromisoformat(text.replace("Z", "+00:00"))  # Python 3.10 knows no Z
    seconds = ((now or datetime.now(timezone.utc)) - then).total_seconds()
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit} ago"
    return f"{max(0.0, seconds):.0f} s ago"


def show_error(error: RayfaasError) -> None:
    """What went wrong, in the words of the error; above it a user's own traceback, what the resolver said, or the
    last that a process wrote which died."""
    if isinstance(error, FunctionError | ImportFailed) and (remote := error.extra.get("traceback")):
        terminal.STDERR.print(str(remote).rstrip(), style="dim", markup=False, soft_wrap=True)
    if isinstance(error, EnvironmentFailed | ExecutorDied) and (output := error.extra.get("output")):
        terminal.STDERR.print(str(output).rstrip(), style="dim", markup=False, soft_wrap=True)
    terminal.STDERR.print("Error:", style="bold red", end=" ")
    terminal.STDERR.print(error.detail, markup=False, soft_wrap=True)
    for fault in map(_fault, error.extra.get("errors", [])):
        if fault not in error.detail:
            terminal.STDERR.print(f"  {fault}", markup=False, soft_wrap=True)


def _fault(error: Mapping[str, Any]) -> str:
    """One of several faults, with its place where it has one."""
    place = ".".join(map(str, error.get("loc", ())))
    return f"{place}: {error.get('msg')}" if place else str(error.get("msg"))
