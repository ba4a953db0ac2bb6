"""The commands, the queries and the Python of docs/releases.md are such that they run."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import click
import pytest

from rayfaas.cli.commands import commands
from rayfaas.names import Target
from rayfaas.registry import Registry

TEXT = (Path(__file__).parent.parent / "docs" / "releases.md").read_text()
SHELL = "".join(re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL))
COMMANDS = [shlex.split(command, comments=True)[1:] for command in re.findall(r'rayfaas (?:[^"\n]|"[^"]*")+', SHELL)]
QUERIES = [command[1] for command in COMMANDS if command[0] == "sql"]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_each_command_is_one(command: list[str]) -> None:
    name, *arguments = command
    context = click.Context(commands, **commands.context_settings)
    found = commands.get_command(context, name)
    assert found is not None
    made = found.make_context(name, list(arguments), parent=context)
    if name == "call":
        Target.parse(made.params["target"])


@pytest.mark.parametrize("query", QUERIES)
def test_each_query_can_be_asked(tmp_path: Path, query: str) -> None:
    registry = Registry.open(tmp_path / "registry.duckdb", tmp_path)
    assert registry.query(query, [], "default").rows == []
    registry.close()


def test_there_are_commands_queries_and_python() -> None:
    assert {command[0] for command in COMMANDS} == {"alias", "aliases", "call", "promote", "rollback", "sql"}
    assert len(QUERIES) == 3
    for block in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL):
        ast.parse(block)
