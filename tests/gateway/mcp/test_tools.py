"""Functions as tools: their names, and what is told of their arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jsonschema import Draft202012Validator
from pydantic import BaseModel

from rayfaas.executor.signature import Signature, describe
from rayfaas.gateway.mcp.tools import tools_of
from rayfaas.gateway.openapi.functions import Callee


class Options(BaseModel):
    """How it is done."""

    depth: int = 3
    next: Options | None = None


def area(width: float, options: Options | None = None) -> float:
    """The area of a square."""
    return width * width


def anything(**values: Any) -> Any:
    return values


def callee(function: Callable[..., Any], name: str, team: str = "nlp", alias: str = "live") -> Callee:
    return Callee(team, name, alias, 3, describe(function, Signature(function)))


def test_a_tool_tells_what_it_is_and_what_it_takes() -> None:
    tool = tools_of([callee(area, "area")], "nlp")["live"]["area"]
    assert (tool.name, tool.target, tool.title) == ("area", "area", "nlp/area")
    assert "The area of a square." in tool.description
    assert tool.arguments["required"] == ["width"]
    Draft202012Validator.check_schema(tool.arguments)
    valid = Draft202012Validator(tool.arguments).is_valid
    assert valid({"width": 2, "options": {"next": {"depth": 1}}})
    assert not valid({"width": 2, "options": {"next": {"depth": "much"}}})
    assert not valid({"width": "wide"})


def test_names_are_as_short_as_the_asking_team_may_write_them_and_unique() -> None:
    methods = {"kind": "class", "methods": {"area": describe(area, Signature(area))}}
    callees = [callee(area, "Model-area", "a"), Callee("a", "Model", "live", 1, methods), callee(area, "area", "b")]
    assert {name: tool.target for name, tool in tools_of(callees, "a")["live"].items()} == {
        "Model-area": "Model-area", "Model-area2": "Model.area", "b-area": "b/area"
    }  # fmt: skip


def test_each_alias_has_its_own() -> None:
    tools = tools_of([callee(area, "area"), callee(area, "area", alias="prod")], "nlp")
    assert {alias: tool["area"].target for alias, tool in tools.items()} == {"live": "area", "prod": "area@prod"}


def test_what_does_not_speak_json_is_none() -> None:
    application = Callee("nlp", "site", "live", 1, {"kind": "asgi"})
    raw = Callee("nlp", "sound", "live", 1, {"takes": ["application/octet-stream"]})
    assert list(tools_of([application, raw, callee(anything, "anything")], "nlp")["live"]) == ["anything"]
