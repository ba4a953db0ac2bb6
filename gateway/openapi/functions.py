"""The operations of deployed functions in the OpenAPI document: one for each alias, and each method of a class."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from rayfaas.gateway.openapi.components import Components, Schema, unique
from rayfaas.gateway.openapi.operations import call_operation, sse_and_ndjson
from rayfaas.gateway.openapi.schemas import BINARY, RAW
from rayfaas.names import LIVE, METHOD
from rayfaas.wire import JSON, MSGPACK, MULTIPART

_STREAMS = ("generator", "async_generator")
_MEDIA = (JSON, MSGPACK, MULTIPART, *RAW)


class Callee(NamedTuple):
    """What an alias leads to. `interface` is what the executor said when the version was deployed; `successor` is what
    to call instead of what `is_deprecated`."""

    team: str
    name: str
    alias: str
    version: int
    interface: Mapping[str, Any]
    is_deprecated: bool = False
    successor: str | None = None
    method: str | None = None

    @property
    def full_name(self) -> str:
        return self.name if self.method is None else f"{self.name}.{self.method}"

    def methods(self) -> list[Callee]:
        """Those of a class, each with its interface; of a function itself; of an application none, it is not called."""
        if self.interface.get("kind") == "asgi":
            return []
        methods = self.interface.get("methods")
        if self.interface.get("kind") != "class" or not isinstance(methods, dict):
            return [self]
        found = [self._replace(method=name, interface=each) for name, each in methods.items() if isinstance(each, dict)]
        return [each for each in found if re.fullmatch(METHOD, str(each.method), re.ASCII)]

    def target(self, asking_team: str) -> str:
        """As short as it may be written."""
        name = self.full_name if self.team == asking_team else f"{self.team}/{self.full_name}"
        return name if self.alias == LIVE else f"{name}@{self.alias}"

    def words(self, asking_team: str) -> list[str]:
        team, alias = [self.team] * (self.team != asking_team), [self.alias] * (self.alias != LIVE)
        return [*team, *self.full_name.split("."), *alias]


def function_paths(callees: Iterable[Callee], asking_team: str, components: Components) -> dict[str, Schema]:
    """`paths`; the schemas of arguments and results go to `components`."""
    operation_ids: set[str] = set()
    paths = {}
    for each in (method for callee in callees for method in callee.methods()):
        operation_id = unique("_".join(["call", *each.words(asking_team)]).replace("-", "_"), operation_ids)
        operation_ids.add(operation_id)
        told = {"operationId": operation_id, "tags": [f"{each.team}/{each.name}"], "x-rayfaas-version": each.version}
        told |= {"deprecated": True} if each.is_deprecated else {}
        paths[f"/call/{each.target(asking_team)}"] = {
            "post": {**told, **_operation(each, ".".join(each.words(asking_team)), components)}
        }
    return paths


def _operation(each: Callee, label: str, components: Components) -> Schema:
    interface = each.interface
    doc = str(interface.get("doc") or "")
    arguments = arguments_schema(interface.get("arguments"), label, components)
    named = components.add(f"{label}.Arguments", arguments)
    return call_operation(
        summary=doc.strip().partition("\n")[0] or f"{each.team}/{each.full_name}",
        description=description_of(each),
        bodies={media: {"schema": BINARY if media in RAW else named} for media in known_media(interface.get("takes"))},
        needs_body=bool(arguments.get("required")),
        answers=_answers(interface, label, components),
    )


def description_of(each: Callee) -> str:
    """Its signature, its docstring, and which version it is."""
    doc = str(each.interface.get("doc") or "")
    signature = f"`{each.full_name}{each.interface.get('signature') or '(…)'}`"
    which = f"Version {each.version}, by the alias {each.alias}."
    return "\n\n".join(filter(None, [signature, _instead(each), doc.strip(), which]))


def _instead(each: Callee) -> str:
    if not each.is_deprecated:
        return ""
    return "Deprecated." + (f" Call {each.successor} instead." if each.successor else "")


def arguments_schema(schema: Any, label: str, components: Components) -> Schema:
    """Of all arguments as one object. Each parameter's schema has `$defs` of its own."""
    if not isinstance(schema, dict) or not isinstance(schema.get("properties"), dict):
        return {"type": "object"}
    properties = {name: components.lift(label, each) for name, each in schema["properties"].items()}
    closed = {"additionalProperties": False} if schema.get("additionalProperties") is False else {}
    required = [name for name in schema.get("required", []) if name in properties]
    return {"type": "object", "properties": properties, **closed, **({"required": required} if required else {})}


def known_media(media: Any) -> list[str]:
    """Those media types of an interface that there are; of one that says nothing, from an older executor, JSON."""
    found = [each for each in media if each in _MEDIA] if isinstance(media, list) else []
    return found or [JSON]


def _answers(interface: Mapping[str, Any], label: str, components: Components) -> Schema:
    """The content of a 200."""
    schema = interface.get("result")
    result = components.lift(label, schema if isinstance(schema, dict) else {})
    if interface.get("kind") not in _STREAMS:
        named = components.add(f"{label}.Result", result)
        return {media: {"schema": BINARY if media in RAW else named} for media in known_media(interface.get("gives"))}
    item = components.add(f"{label}.Item", result)
    return {JSON: {"schema": {"type": "array", "items": item}}, **sse_and_ndjson(item)}
