"""The README tells of the commands, routes, options and words that there are."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import click

from rayfaas.cli.commands import commands
from rayfaas.declaration import OPTIONS
from rayfaas.gateway.calls import Calls
from rayfaas.gateway.control import Control
from rayfaas.gateway.controller import ControllerLink
from rayfaas.gateway.openapi.endpoints import OpenApi
from rayfaas.registry.query import VIEWS

PATHS = [
    *(route.path for route in Control(None, None, None, "").routes()),  # type: ignore[arg-type]
    *(route.path for route in Calls(None, ControllerLink(None, None), None, None, None).routes()),  # type: ignore[arg-type]
    *(route.path for route in OpenApi(None, None).routes()),  # type: ignore[arg-type]
]
ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_every_command_in_the_readme_exists() -> None:
    context = click.Context(commands)
    named = set(re.findall(r"(?:^|`)rayfaas ([a-z]+)", README, re.MULTILINE))
    assert {"up", "down", "deploy", "call", "sql"} <= named
    assert not [name for name in named if commands.get_command(context, name) is None]


def test_every_make_target_in_the_readme_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    told = set(re.findall(r"(?:^    |`)make ([a-z]+)", README, re.MULTILINE))
    assert {"demo", "up", "down"} <= told <= targets


def test_routes_in_the_readme_are_those_that_are_served() -> None:
    told = set(re.findall(r"/v1/[a-z]+|/calls/|/openapi\.json|/docs", README))
    parts = [path.split("/") for path in PATHS]
    served = {
        "/".join(part[:3]) if part[1] == "v1" else "/calls/" if part[1] == "calls" else f"/{part[1]}" for part in parts
    }
    assert told == served


def test_options_and_views_in_the_readme_are_all_there_are() -> None:
    declaring = README.partition("Options of the decorator")[2].partition("##")[0]
    assert {option for option in OPTIONS if f"`{option}`" not in declaring} == set()
    asking = README.partition("## Asking")[2].partition("##")[0]
    assert {view for view in VIEWS if f"`{view}`" not in asking} == {"audit"}  # which only admins see


def test_python_in_the_readme_parses() -> None:
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(blocks) >= 2
    for block in blocks:
        ast.parse(block)


def test_folders_in_the_layout_exist() -> None:
    folders = re.findall(r"^\| `([a-z/]+)/` \|", README, re.MULTILINE)
    assert {"rayfaas", "gateway", "registry", "cloud", "tests", "benchmarks"} <= set(folders)
    assert all((ROOT / folder).is_dir() for folder in folders)
