"""`rayfaas lineage`: what led to something, or came of it, as a tree, JSON, a picture, or OpenLineage events."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec
from rich.console import Console

from rayfaas.cli import openlineage, pictures
from rayfaas.cli.local_file import a_file_of, graph_of
from rayfaas.cli.output import json_option, show_json
from rayfaas.client import Client
from rayfaas.errors import NotFound
from rayfaas.graph import MOST_DEPTH, Direction, Graph


@click.command()
@click.argument("of", metavar="FILE|URI|FN:3|CALL")
@click.option("--upstream", "direction", flag_value="upstream", default="upstream", help="What led to it (default).")
@click.option("--downstream", "direction", flag_value="downstream", help="What came of it.")
@click.option("--depth", type=click.IntRange(1, MOST_DEPTH), default=10, show_default=True, help="So many calls deep.")
@click.option("--as-of", help="As it was then: 2026-11-27, 2026-11-27T10:00:00Z.")
@click.option("--version", help="Of the artifact; else the newest.")
@click.option("--mermaid", "form", flag_value="mermaid", help="Print a Mermaid flowchart.")
@click.option("--dot", "form", flag_value="dot", help="Print a Graphviz graph.")
@click.option("--openlineage", metavar="FILE|URL", help="Send OpenLineage events there; - prints them.")
@json_option
def lineage(
    of: str,
    direction: Direction,
    depth: int,
    as_of: str | None,
    version: str | None,
    form: str | None,
    openlineage: str | None,
    as_json: bool,
) -> None:
    """Show what led to a file, an object, a call or a version of a function, or what came of it.

    A file that is here is known by its content, whatever its name is now; with --as-of or --version by its name.
    """
    with Client() as client:
        graph = _asked(client, of, direction, depth, as_of, version)
    if openlineage is not None:
        _send(graph, openlineage)
    elif as_json:
        show_json(msgspec.to_builtins(graph))
    elif form is not None:
        click.echo(pictures.mermaid(graph) if form == "mermaid" else pictures.dot(graph))
    else:
        width = None if sys.stdout.isatty() else 1000
        Console(highlight=False, emoji=False, width=width).print(pictures.tree(graph))


def uri_of(text: str) -> str:
    """A file that is here, or is written as a path, by its URI; anything else as it is.

    >>> uri_of("embed:3"), uri_of("/data/x y")
    ('embed:3', 'file:///data/x%20y')
    """
    path = Path(text)
    if path.is_absolute() or text.startswith(("./", "../")) or path.is_file():
        return path.resolve().as_uri()
    return text


def _asked(client: Client, of: str, direction: Direction, depth: int, as_of: str | None, version: str | None) -> Graph:
    path = Path(of)
    if path.is_file() and as_of is None and version is None:
        return graph_of(client, path, direction, depth)
    try:
        return client.lineage(uri_of(of), direction, depth, as_of, version)
    except NotFound as error:
        raise NotFound(error.detail + a_file_of(path)) from None


def _send(graph: Graph, target: str) -> None:
    made = openlineage.events(graph)
    if target == "-":
        for event in made:
            show_json(event)
        return
    openlineage.send(made, target)
    click.echo(f"{len(made)} events sent to {target}.")
