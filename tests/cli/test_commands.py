"""Every command is there and has a help."""

from __future__ import annotations

import re
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
    listed = re.findall(r"^  ([a-z-]+)  +[A-Z].", out.partition("The server")[2], re.MULTILINE)
    assert listed == NAMES


def test_no_sentence_of_a_list_is_cut_off(rayfaas: Terminal) -> None:
    for out in (rayfaas("--help").out, rayfaas("cluster", "--help").out):
        assert not re.search(r"\.\.\.$", out.partition("\n")[2], re.MULTILINE)


@pytest.mark.parametrize(
    ("words", "meant"),
    [(["deplo"], "deploy"), (["token", "lst"], "list"), (["schedul", "embed"], "schedule or schedules")],
)
def test_who_writes_no_command_hears_which_may_be_meant(rayfaas: Terminal, words: list[str], meant: str) -> None:
    code, _, err = rayfaas(*words)
    assert code == 2
    assert err.endswith(f" Is {meant} meant?\n")
    assert "No such command 'xyz'" in rayfaas("xyz").err


def test_the_version_is_told(rayfaas: Terminal) -> None:
    assert rayfaas("--version").out == f"rayfaas, version {version('rayfaas')}\n"
