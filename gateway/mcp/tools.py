"""The tools that functions are: one for each, and for each method of a class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from rayfaas.gateway.openapi.components import Components, unique
from rayfaas.gateway.openapi.functions import Callee, arguments_schema, description_of, known_media
from rayfaas.wire import JSON

# By alias, and then by name.
Tools = dict[str, dict[str, "Tool"]]


class Tool(NamedTuple):
    """`target` is what a call of it is addressed to."""

    name: str
    target: str
    title: str
    description: str
    arguments: dict[str, Any]


def tools_of(callees: Sequence[Callee], asking_team: str) -> Tools:
    """Those that take and give JSON."""
    tools: Tools = {}
    for each in (method for callee in callees for method in callee.methods()):
        if JSON in known_media(each.interface.get("takes")) and JSON in known_media(each.interface.get("gives")):
            named = tools.setdefault(each.alias, {})
            tool = _tool(each, asking_team, named)
            named[tool.name] = tool
    return tools


def _tool(each: Callee, asking_team: str, others: dict[str, Tool]) -> Tool:
    """Its name is of letters, digits, - and _, which is what the models' makers allow."""
    team = [each.team] * (each.team != asking_team)
    components = Components({}, at="#/$defs/")
    arguments = arguments_schema(each.interface.get("arguments"), each.full_name, components)
    defs = {"$defs": components.schemas} if components.schemas else {}
    return Tool(
        name=unique("-".join([*team, *each.full_name.split(".")]), others),
        target=each.target(asking_team),
        title=f"{each.team}/{each.full_name}",
        description=description_of(each),
        arguments={**arguments, **defs},
    )
