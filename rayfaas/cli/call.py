"""`rayfaas call`: call a function from a shell."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from difflib import get_close_matches
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any

import click

from rayfaas.call_options import CallOptions
from rayfaas.cli.output import show_json
from rayfaas.cli.values import parse_value
from rayfaas.client import Client
from rayfaas.errors import InvalidArguments, ResultNotSerializable
from rayfaas.wire import encode_json

_FILE = click.Path(dir_okay=False, writable=True, allow_dash=True, path_type=Path)


class _Call(click.Command):
    """Takes negative numbers as arguments, but no option that it does not know: that is a slip of the caller."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        known = [name for parameter in self.get_params(ctx) for name in parameter.opts]
        for name in (each.partition("=")[0] for each in takewhile(lambda each: each != "--", args)):
            if name.startswith("--") and name not in known:
                raise click.NoSuchOption(name, possibilities=get_close_matches(name, known), ctx=ctx)
        return super().parse_args(ctx, args)


@click.command(cls=_Call, context_settings={"ignore_unknown_options": True})
@click.argument("target")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option("-d", "--data", help="The arguments as JSON: text, @FILE, or - for stdin. An object is by name.")
@click.option("--stream", is_flag=True, help="Print the items of a generator as they come, and its logs on stderr.")
@click.option("--dry-run", is_flag=True, help="Check target, rights and arguments, and run nothing.")
@click.option("-f", "--follow", is_flag=True, help="Show what it writes on stderr, while it runs.")
@click.option("-o", "--output", type=_FILE, help="Write the result into FILE, or -: bytes as they are, else JSON.")
@click.option("--debug", is_flag=True, help="Stop at breakpoint(), with pdb in this terminal; it may take an hour.")
@click.option("--timeout", "timeout_s", type=float, help="Seconds that it may take, waiting included.")
@click.option("--team", help="The team for which it is called; for admins.")
@click.option("--no-cache", is_flag=True, help="Compute it again, where the function has a cache.")
@click.option("--priority", help="low, normal, high, or a number from -10 to 10.")
def call(
    target: str,
    arguments: tuple[str, ...],
    data: str | None,
    stream: bool,
    follow: bool,
    output: Path | None,
    debug: bool,
    dry_run: bool,
    timeout_s: float | None,
    team: str | None,
    no_cache: bool,
    priority: str | None,
) -> None:
    """Call TARGET (embed, embed:7, nlp/embed@prod, Model.predict) with ARGUMENTS, and print its result as JSON.

    An argument is a value, or name=value; values are JSON, and else text; one that begins with -- is written after --:

        rayfaas call area 2 height=3
    """
    args, kwargs = given_arguments(data) if data is not None else _parsed(arguments)
    if data is not None and arguments:
        raise click.UsageError("Give the arguments by --data or one by one, not both.")
    if output is not None and (stream or debug or dry_run):
        raise click.UsageError("--output is for one result: not with --stream, --debug or --dry-run.")
    if output is not None and not output.parent.is_dir():
        raise click.UsageError(f"There is no folder {output.parent} for --output.")
    options = CallOptions(timeout_s, team=team, priority=priority, cache=not no_cache)
    with _quotes_told(data is None), Client() as client:
        if dry_run:
            show_json(asdict(client.validate(target, args, kwargs, options)))
            return
        if not stream and not debug:
            _show(client.answer(target, args, kwargs, options, show_log if follow else None), output)
            return
        answer = partial(_answer_debugger, client) if debug else None
        for item in client.stream(target, args, kwargs, options, show_log, answer):
            show_json(item)
            sys.stdout.flush()


@contextmanager
def _quotes_told(one_by_one: bool) -> Iterator[None]:
    """`rayfaas call find 12345` sends a number, though text may be meant."""
    try:
        yield
    except InvalidArguments as error:
        faults = error.extra.get("errors", [])
        if one_by_one and any(fault.get("type") == "string_type" for fault in faults):
            told = f"{error.detail}. What looks like JSON is JSON: write text in quotes of its own, '\"12345\"'."
            raise InvalidArguments(told, errors=faults) from None
        raise


def _show(result: Any, output: Path | None) -> None:
    if output is not None:
        with click.open_file(output, "wb") as file:
            file.write(result if isinstance(result, bytes) else encode_json(result) + b"\n")
        return
    try:
        show_json(result)
    except ResultNotSerializable as error:
        if not isinstance(result, bytes):
            raise
        raise click.ClickException(
            f"It returned {len(result):,} bytes that are no text. Call it with -o FILE, or -o - | …, to have them."
        ) from error


def _answer_debugger(client: Client, said: dict[str, Any]) -> None:
    """Show what the debugger says, and type what it waits for; at the end of stdin have the function go on."""
    click.echo(said.get("text", ""), nl=False, err=True)
    if said.get("waits"):
        client.type(said["call"], sys.stdin.readline() or "continue\n")


def _parsed(arguments: tuple[str, ...]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Positional and named arguments.

    >>> _parsed(("2", "unit=cm", "a=b=c"))
    ((2,), {'unit': 'cm', 'a': 'b=c'})
    """
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if equals and name.isidentifier():
            kwargs[name] = parse_value(value)
        elif kwargs:
            raise click.UsageError(f"{argument!r} has no name and comes after one that has.")
        else:
            args.append(parse_value(argument))
    return tuple(args), kwargs


def given_arguments(data: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Of `--data`: JSON, @FILE, or - for stdin. An object is arguments by name, anything else the single one."""
    try:
        value = json.loads(_read(data))
    except UnicodeDecodeError:
        raise click.UsageError(
            "--data is not JSON, and no text. Send a file as it is with curl: --data-binary @FILE "
            "-H 'Content-Type: application/octet-stream', or from Python: open(FILE, \"rb\") as the argument."
        ) from None
    except (ValueError, RecursionError) as error:
        raise click.UsageError(f"--data is not JSON: {error}") from None
    return ((), value) if isinstance(value, dict) else ((value,), {})


def _read(data: str) -> str:
    if data == "-":
        return sys.stdin.read()
    if not data.startswith("@"):
        return data
    try:
        return Path(data[1:]).read_text()
    except OSError as error:
        raise click.UsageError(f"{data[1:]} can't be read: {error.strerror}") from None


def show_log(line: dict[str, Any]) -> None:
    """What a call wrote, on stderr."""
    click.echo(line.get("text", ""), err=True, nl=not str(line.get("text", "")).endswith("\n"))
