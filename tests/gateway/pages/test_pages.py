"""The pages for a browser: served to everybody whole, and letting nothing in."""

from __future__ import annotations

import re
from importlib import resources

import pytest

from tests.gateway.small import SmallGateway

PAGES = {"/": "overview", "/docs": "docs"}
FILES = [file.name for file in resources.files("rayfaas.gateway.pages").iterdir() if not file.name.startswith("_")]


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_and_all_that_it_loads_are_served_to_everybody(gateway: SmallGateway, path: str) -> None:
    page = await gateway.ask("GET", path, who=None)
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    loaded = re.findall(r'(?:src|link rel="stylesheet" href)="([^"]+)"', page.body.decode())
    assert loaded == ["/pages/page.css", "/pages/access.js", f"/pages/{PAGES[path]}.js"]
    for file in loaded:
        answer = await gateway.ask("GET", file, who=None)
        assert (answer.status, answer.headers["x-content-type-options"]) == (200, "nosniff")


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_lets_nothing_in_from_elsewhere(gateway: SmallGateway, path: str) -> None:
    policy = (await gateway.ask("GET", path, who=None)).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(".html")])
def test_a_page_has_no_code_or_style_of_its_own(name: str) -> None:
    assert not re.search(r"https?:|<script>|<style|style=|\son\w+=", text(name))


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(".js")])
def test_what_functions_say_of_themselves_is_put_in_as_text(name: str) -> None:
    script = text(name).replace("http://www.w3.org/2000/svg", "")
    for sink in ("innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "Storage", "cookie", "http:"):
        assert sink not in script, sink


def text(name: str) -> str:
    return resources.files("rayfaas.gateway.pages").joinpath(name).read_text()
