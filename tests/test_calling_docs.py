"""Every public name, method and command has an example on some page of the docs; those of docs/calling.md are run in
tests/e2e."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import click
import pytest
from pydantic import BaseModel

import rayfaas
from rayfaas.cli.commands import commands

DOCS = Path(__file__).parent.parent / "docs"
PAGES = "\n".join(page.read_text() for page in sorted(DOCS.rglob("*.md")))
EXAMPLES = "\n".join(re.findall(r"^```\w+\n(.*?)^```$", PAGES, re.DOTALL | re.MULTILINE))
# A file is bytes, and has their methods; what the command line and executors do with a client is no caller's business.
NOT_SHOWN = {
    *{*dir(bytes), *dir(str), *dir(Exception), *dir(BaseModel)},
    *("of", "of_calls", "from_answer", "access", "title", "deploy_bundled"),
}
CLASSES = [each for name in rayfaas.__all__ if inspect.isclass(each := getattr(rayfaas, name))]


def told(name: str, text: str) -> bool:
    return re.search(rf"\b{name}\b", text) is not None


@pytest.mark.parametrize("name", rayfaas.__all__)
def test_every_public_name_is_told(name: str) -> None:
    assert told(f"rayfaas.{name}", PAGES)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_public_method_has_an_example(kind: type) -> None:
    public = {name for name in dir(kind) if not name.startswith("_")} - NOT_SHOWN
    assert {name for name in public if not told(name, EXAMPLES)} == set()


@pytest.mark.parametrize("verb", ["with_options", "map", "starmap", "deploy"])
def test_every_option_of_a_verb_is_told(verb: str) -> None:
    options = inspect.signature(getattr(rayfaas.Function, verb)).parameters
    assert {name for name in options if name != "self" and not told(name, PAGES)} == set()


def names(group: click.Group, prefix: str = "rayfaas") -> list[str]:
    """Every command with its words, those of groups too."""
    context = click.Context(group)
    found = {name: group.get_command(context, name) for name in group.list_commands(context)}
    return [
        full
        for name, command in found.items()
        for full in (names(command, f"{prefix} {name}") if isinstance(command, click.Group) else [f"{prefix} {name}"])
    ]


@pytest.mark.parametrize("command", names(commands))
def test_every_command_has_an_example(command: str) -> None:
    assert told(command, PAGES)
