"""The decorated functions in a file, found without running it wherever what they declare can be read off."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rayfaas.declaration import OPTIONS, Declaration
from rayfaas.errors import BadRequest
from rayfaas.imported import imported_functions
from rayfaas.project import Project, SourceFile


@dataclass(frozen=True)
class DeclaredFunction:
    """`attribute` is its name in the module, `declaration.name` the one that it is deployed under."""

    attribute: str
    declaration: Declaration


def declared_functions(file: Path, project: Project | None = None) -> list[DeclaredFunction]:
    """The functions that `file` declares, in order.

    The file is imported only where its syntax tree does not tell: where options are computed, or `rayfaas.function` is
    used otherwise than as a decorator. Raises `BadRequest` where there are none, `ImportFailed` where it does not parse
    or import.
    """
    project = project or Project.of_file(file)
    source = project.read(file)
    found = _read_off(source.tree)
    if found is None:
        functions = imported_functions(project, file)
        found = [DeclaredFunction(name, function.declaration) for name, function in functions.items()]
    if not found:
        raise BadRequest(f"{file} has no function that is decorated with @rayfaas.function.")
    _check_distinct(found, file)
    return found


def check_import(source: SourceFile) -> None:
    """Raises `BadRequest` for a file that would deploy itself again wherever it is imported."""
    names = _Names.of(source.tree)
    decorated = {node.name for node in _functions(source.tree) if any(map(names.is_decorator, node.decorator_list))}
    for node in _run_on_import(source.tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "deploy"
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id in decorated
        ):
            raise BadRequest(
                f"{source.path}:{node.lineno} deploys {node.func.value.id} whenever the file is imported, and the server "
                'imports it. Put the call under `if __name__ == "__main__":`.'
            )
