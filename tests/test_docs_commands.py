"""The commands of the README and the docs are such that they run, and so are their queries."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from rayfaas.cli.commands import commands
from rayfaas.names import Target
from rayfaas.registry import Registry

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def commands_of(text: str) -> list[list[str]]:
    """The words after `rayfaas` of each command in a block of the shell's, or in an indented line."""
    blocks = re.findall(r"```(?:sh|console)\n(.*?)```", text, re.DOTALL) + re.findall(
        r"(?:^    .*\n)+", text, re.MULTILINE
    )
    shell = re.sub(r"\\\n|\s#.*", " ", "\n".join(blocks))
    shell = re.sub(r"\$\([^()]*(?:\([^()]*\))?[^()]*\)", "said", shell)
    lines = re.findall(r'^[ $]*rayfaas ((?:[^"\'\n|>]|"[^"]*"|\'[^\']*\')+)', shell, re.MULTILINE)
    return [shlex.split(line) for line in lines]


COMMANDS = sorted({tuple(words) for page in PAGES for words in commands_of(page.read_text())})
QUERIES = [words for words in COMMANDS if words[0] == "sql"]


def parsed(words: tuple[str, ...]) -> click.Context:
    """Raises `click.UsageError`, of which `click.BadParameter` is that a file is not there."""
    context = click.Context(commands, **commands.context_settings)
    found: click.Command = commands
    while isinstance(found, click.Group) and words:
        group, (name, *rest) = found, words
        command = group.get_command(context, name)
        assert command is not None, name
        found, words = command, tuple(rest)
        context = click.Context(found, parent=context)
    return found.make_context(found.name, list(words), parent=context.parent)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_each_command_is_one(command: tuple[str, ...]) -> None:
    try:
        context = parsed(command)
    except click.BadParameter as error:
        if "does not exist" not in error.message:  # a file of the reader's
            raise
    else:
        if command[0] == "call":
            Target.parse(context.params["target"])


@pytest.mark.parametrize("command", QUERIES, ids=" ".join)
def test_each_query_can_be_asked(tmp_path: Path, command: tuple[str, ...]) -> None:
    asked = parsed(command).params
    registry = Registry.open(tmp_path / "registry.duckdb", tmp_path)
    assert registry.query(asked["query"], list(asked["parameters"]), "default").columns
    registry.close()


def test_there_are_commands_and_queries() -> None:
    assert {"deploy", "call", "sql", "alias", "promote", "rollback", "cluster"} <= {words[0] for words in COMMANDS}
    assert len(COMMANDS) > 150
    assert len(QUERIES) > 10
