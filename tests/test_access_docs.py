"""The commands, the queries and the Python of docs/access.md are such that they run."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import click
import pytest

from rayfaas.cli.commands import commands
from rayfaas.registry import Registry
from rayfaas.registry.query import QueryLimits
from rayfaas.registry.sandbox import MOST_TABLES, MOST_TEXT
from rayfaas.server.store import MOST_ASKED, MOST_OF_A_TEAM, USERS_QUERIES

TEXT = (Path(__file__).parent.parent / "docs" / "access.md").read_text()
SHELL = "".join(re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL))
COMMANDS = [shlex.split(command, comments=True)[1:] for command in re.findall(r'rayfaas (?:[^"\n]|"[^"]*")+', SHELL)]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_each_command_is_one(command: list[str]) -> None:
    name, *arguments = command
    context = click.Context(commands, help_option_names=["-h", "--help"])
    found = commands.get_command(context, name)
    assert found is not None
    made = found.make_context(name, list(arguments), parent=context)
    if isinstance(found, click.Group):
        inner = found.get_command(made, arguments[0])
        assert inner is not None
        inner.make_context(arguments[0], arguments[1:], parent=made)


def test_the_query_can_be_asked(tmp_path: Path) -> None:
    (query,) = [command[1] for command in COMMANDS if command[0] == "sql"]
    registry = Registry.open(tmp_path / "registry.duckdb", tmp_path)
    assert registry.query(query, [], None).rows == []
    registry.close()


def test_python_parses_and_the_picture_is_there() -> None:
    for block in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL):
        ast.parse(block)
    assert (Path(__file__).parent.parent / "docs" / "fairness.png").exists()


def test_the_limits_of_queries_are_those_of_the_code() -> None:
    section = TEXT.partition("## SQL")[2].partition("##")[0]
    limits = QueryLimits()
    numbers = [limits.seconds, limits.rows, limits.bytes >> 20, MOST_TEXT, MOST_TABLES]
    numbers += [MOST_OF_A_TEAM, MOST_ASKED, USERS_QUERIES]
    assert [float(each.replace(",", "")) for each in re.findall(r"\b\d[\d,]*\b", section)] == numbers
