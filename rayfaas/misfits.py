"""Arguments that nobody looks at until a call is made of them: whether a function takes those names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rayfaas.errors import InvalidArguments


def check_arguments(interface: Mapping[str, Any] | None, method: str | None, arguments: Any) -> None:
    """An object is arguments by name, anything else the one argument. Values are for the executor to judge.

    Raises `InvalidArguments` with what is missing, and what there is not.

    >>> check_arguments({"arguments": {"properties": {"n": {}}, "required": ["n"]}}, None, {"n": 1})
    """
    callee = (interface or {}).get("methods", {}).get(method) if method else interface
    schema = (callee or {}).get("arguments")
    if schema is None:
        return
    names = list(schema.get("properties", {}))
    given = list(arguments) if isinstance(arguments, Mapping) else names[:1]
    missing = [name for name in schema.get("required", ()) if name not in given]
    unknown = [name for name in given if name not in names and schema.get("additionalProperties") is False]
    faults = [f"a value for {name!r} is missing" for name in missing] + [f"there is no {name!r}" for name in unknown]
    if faults:
        signature = (callee or {}).get("signature", "")
        raise InvalidArguments(f"The schedule's arguments do not fit {signature}: {', '.join(faults)}.")
