"""The README and the docs tell of the commands, routes, options and words that there are."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import click
import pytest

from rayfaas.cli.commands import commands
from rayfaas.declaration import OPTIONS
from rayfaas.gateway.alarms import Alarms
from rayfaas.gateway.calls import Calls
from rayfaas.gateway.control import Control
from rayfaas.gateway.controller import ControllerLink
from rayfaas.gateway.openapi.endpoints import OpenApi
from rayfaas.gateway.pages.pages import PAGES as BROWSED
from rayfaas.registry.query import VIEWS

ALARMS = Alarms(None, ControllerLink(None, None), None)  # type: ignore[arg-type]
PATHS = [
    *(route.path for route in Control(None, None, None, "", ALARMS).routes()),  # type: ignore[arg-type]
    *(route.path for route in Calls(None, ControllerLink(None, None), None, None, None, None).routes()),  # type: ignore[arg-type]
    *(route.path for route in OpenApi(None, None).routes()),  # type: ignore[arg-type]
    *BROWSED,
]
ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
DOCS = {path: path.read_text() for path in PAGES}
HTTP, FUNCTIONS = (DOCS[ROOT / "docs" / name] for name in ("http.md", "functions.md"))


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_every_command_in_the_docs_exists(page: Path) -> None:
    context = click.Context(commands)
    named = set(re.findall(r"(?:^|`)rayfaas ([a-z]+)", DOCS[page], re.MULTILINE))
    assert not [name for name in named if commands.get_command(context, name) is None]


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_a_body_that_curl_sends_has_its_type(page: Path) -> None:
    lines = DOCS[page].replace("\\\n", " ").splitlines()
    typed = [line for line in lines if re.match(r"\s*curl .* (-d|--data\S*) ", line)]
    assert not [line for line in typed if "Content-Type: " not in line]


def test_the_readme_begins_with_the_commands_of_the_first_hour() -> None:
    named = set(re.findall(r"(?:^|`)rayfaas ([a-z]+)", README, re.MULTILINE))
    assert {"up", "down", "deploy", "call", "sql"} <= named


def test_every_make_target_in_the_readme_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    told = set(re.findall(r"(?:^    |`)make ([a-z]+)", README, re.MULTILINE))
    assert {"demo", "up", "down"} <= told <= targets


def test_routes_in_the_docs_are_those_that_are_served() -> None:
    told = set(re.findall(r"/v1/[a-z]+|/calls/|/openapi\.json|/docs|/metrics|/(?=`)", HTTP))
    parts = [path.split("/") for path in PATHS]
    served = {
        "/".join(part[:3]) if part[1] == "v1" else "/calls/" if part[1] == "calls" else f"/{part[1]}" for part in parts
    }
    assert told == served


@pytest.mark.parametrize("path", [path for path in PATHS if not path.startswith("/docs/")])
def test_every_route_is_in_the_docs_word_by_word(path: str) -> None:
    words = [word for word in path.split("/") if word and not word.startswith("{")]
    assert not [word for word in words if not re.search(rf"[/…]{re.escape(word)}\b", HTTP)]


def test_options_and_views_in_the_docs_are_all_there_are() -> None:
    declaring = FUNCTIONS.partition("## Options of the decorator")[2].partition("##")[0]
    assert {option for option in OPTIONS if f"`{option}`" not in declaring} == set()
    asking = README.partition("## Asking")[2].partition("##")[0]
    assert {view for view in VIEWS if f"`{view}`" not in asking} == {"audit"}  # which only admins see


def test_python_in_the_docs_parses() -> None:
    blocks = [block for text in DOCS.values() for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL)]
    assert len(blocks) >= 20
    for block in blocks:
        ast.parse(block)


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target, _, anchor in (link.partition("#") for link in re.findall(r"\]\(([^)\s]+)\)", DOCS[page])):
        if target.startswith("http"):
            continue
        there = (page.parent / target).resolve() if target else page
        assert there.exists(), target
        if anchor:
            assert anchor in _anchors(there.read_text()), f"{target}#{anchor}"


def _anchors(text: str) -> set[str]:
    """What the headings of a page are linked by."""
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_page_can_be_found_from_the_readme() -> None:
    found, rest = set[Path](), [ROOT / "README.md"]
    while rest:
        page = rest.pop()
        found.add(page)
        links = [(page.parent / link).resolve() for link in re.findall(r"\]\(((?!http)[^)#\s]+\.md)[)#]", DOCS[page])]
        rest += [link for link in links if link not in found]
    assert set(DOCS) - found == set()


def test_folders_in_the_layout_exist() -> None:
    folders = re.findall(r"^\| `([a-z/]+)/` \|", README, re.MULTILINE)
    assert {"rayfaas", "gateway", "registry", "cloud", "tests", "benchmarks"} <= set(folders)
    assert all((ROOT / folder).is_dir() for folder in folders)
