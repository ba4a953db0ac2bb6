"""docs/deploying.md tells of commands, options, routes, codes and columns that there are."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from rayfaas.cli.commands import commands
from rayfaas.errors import BY_CODE
from rayfaas.registry.query import VIEWS
from tests.test_docs import PATHS

TEXT = (Path(__file__).parent.parent / "docs" / "deploying.md").read_text()
COMMANDS = re.findall(r"^rayfaas ([a-z]+)(.*)$", TEXT, re.MULTILINE)


@pytest.mark.parametrize(("name", "rest"), COMMANDS)
def test_each_command_and_its_options_exist(name: str, rest: str) -> None:
    command = commands.get_command(click.Context(commands), name)
    assert command is not None
    options = {option for parameter in command.params for option in parameter.opts}
    assert set(re.findall(r" (--?[a-z-]+)", rest.partition("#")[0])) <= options


def test_each_route_is_served() -> None:
    told = re.findall(r"`[A-Z]+ (/[^`]+)`", TEXT)
    assert len(told) == 3
    assert set(told) <= set(PATHS)


def test_codes_and_columns_are_those_of_the_code() -> None:
    assert {"breaking_change", "conflict", "import_failed", "deploy_timeout", "unavailable"} <= set(BY_CODE)
    columns = re.findall(r"SELECT ([a-z_, ]+) FROM deploys", TEXT)[0].split(", ")
    assert all(re.search(rf"\b{column}\b", VIEWS["deploys"]) for column in columns)
