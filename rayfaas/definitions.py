"""Which functions and classes of a bundle's modules differ from those of another: comments and layout do not count."""

from __future__ import annotations

import ast
from collections.abc import Mapping


def changed_definitions(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> list[str]:
    """By name, `module.function` or `module.Class`; a module where what stands outside of them differs, a file that is
    no module, and what is new or gone, by the name of the file.

    >>> changed_definitions({"m.py": b"def f(): return 1"}, {"m.py": b"def f(): return 2  # two"})
    ['m.f']
    """
    found = []
    for name in sorted(before.keys() | after.keys()):
        if name not in after:
            found.append(f"{name} (gone)")
        elif name not in before:
            found.append(f"{name} (new)")
        elif before[name] != after[name]:
            found += _changed(name, before[name], after[name])
    return found


def _changed(name: str, before: bytes, after: bytes) -> list[str]:
    if not name.endswith(".py"):
        return [name]
    try:
        old, new = _dumps(before), _dumps(after)
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # the last two are the parser's own limits
        return [name]
    module = name.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
    differing = sorted(each for each in old.keys() | new.keys() if old.get(each) != new.get(each))
    return [f"{module}.{each}" if each else module for each in differing]


def _dumps(source: bytes) -> dict[str, str]:
    """The syntax tree of each definition as text, and of all that is outside of them under the empty name."""
    found: dict[str, str] = {}
    for node in ast.parse(source).body:
        name = node.name if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) else ""
        found[name] = found.get(name, "") + ast.dump(node)
    return found
