"""Every command is there and has a help."""

from __future__ import annotations

from importlib.metadata import version

import click
import pytest

from rayfaas.cli.commands import commands
from tests.cli.terminal import Terminal

NAMES = commands.list_commands(click.Context(commands))


@pytest.mark.parametrize("name", NAMES)
def test_a_command_explains_itself(rayfaas: Terminal, name: str) -> None:
    code, out, err = rayfaas(name, "-h")
    assert (code, err) == (0, "")
    assert out.startswith(f"Usage: rayfaas {name}")


def test_all_commands_are_listed_with_what_they_do(rayfaas: Terminal) -> None:
    code, out, _ = rayfaas("--help")
    assert code == 0
    listed = dict(line.split(maxsplit=1) for line in out.partition("Commands:")[2].splitlines() if line.strip())
    assert list(listed) == NAMES


def test_the_version_is_told(rayfaas: Terminal) -> None:
    assert rayfaas("--version").out == f"rayfaas, version {version('rayfaas')}\n"
