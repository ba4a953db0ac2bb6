"""The decorated functions and classes in a file, found without running it where what they declare can be read off."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rayfaas.declaration import Declaration
from rayfaas.errors import BadRequest
from rayfaas.imported import imported_functions
from rayfaas.project import Project, SourceFile

DECORATORS = ("function", "asgi", "cls")


@dataclass(frozen=True)
class DeclaredFunction:
    """A function or class: `attribute` is its name in the module, `declaration.name` the one it is deployed under."""

    attribute: str
    declaration: Declaration


def declared_functions(file: Path, project: Project | None = None) -> list[DeclaredFunction]:
    """The functions and classes that `file` declares, in order.

    The file is imported only where its syntax tree does not tell: where options are computed, or `rayfaas.function` or
    `rayfaas.cls` is used otherwise than as a decorator. Raises `BadRequest` where there are none, `ImportFailed` where
    it does not parse or import.
    """
    project = project or Project.of_file(file)
    source = project.read(file)
    found = _read_off(source.tree)
    if found is None:
        functions = imported_functions(project, file)
        found = [DeclaredFunction(name, function.declaration) for name, function in functions.items()]
    if not found:
        raise BadRequest(
            f"{file} has no function that is decorated with @rayfaas.function, and no class with @rayfaas.cls."
        )
    _check_distinct(found, file)
    return found


def check_import(source: SourceFile) -> None:
    """Raises `BadRequest` for a file that would deploy itself again wherever it is imported."""
    names = _Names.of(source.tree)
    decorated = {node.name for node in _definitions(source.tree) if any(map(names.decorator, node.decorator_list))}
    for node in _run_on_import(source.tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "deploy"
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id in decorated
        ):
            raise BadRequest(
                f"{source.path}:{node.lineno} deploys {node.func.value.id} whenever the file is imported, and the "
                'server imports it. Put the call under `if __name__ == "__main__":`.'
            )


def _read_off(tree: ast.Module) -> list[DeclaredFunction] | None:
    """What the tree declares; None where only running it would tell."""
    names = _Names.of(tree)
    found = []
    decorators: set[int] = set()
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        fitting = ("cls",) if isinstance(node, ast.ClassDef) else ("function", "asgi")
        ours = [decorator for decorator in node.decorator_list if names.decorator(decorator) in fitting]
        decorators.update(id(each) for decorator in ours for each in ast.walk(decorator))
        for decorator in ours:
            options = _literal_options(decorator)
            if options is None:
                return None
            kind = names.decorator(decorator) or ""
            found.append(DeclaredFunction(node.name, Declaration.of(node.name, options, kind)))
    if any(names.decorator(node) and id(node) not in decorators for node in ast.walk(tree)):
        return None
    return found


def _literal_options(decorator: ast.expr) -> dict[str, Any] | None:
    """The options of `@rayfaas.function(...)` or `@rayfaas.cls(...)`, None where they are computed."""
    if not isinstance(decorator, ast.Call):
        return {}
    if decorator.args or any(keyword.arg is None for keyword in decorator.keywords):
        return None
    try:
        return {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in decorator.keywords}
    except ValueError:
        return None


@dataclass(frozen=True)
class _Names:
    """What `rayfaas` is called in a file, and what its decorators are, by the name that they have there."""

    packages: frozenset[str]
    decorators: Mapping[str, str]

    @classmethod
    def of(cls, tree: ast.Module) -> _Names:
        packages: set[str] = set()
        decorators: dict[str, str] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                packages.update(alias.asname or "rayfaas" for alias in node.names if alias.name == "rayfaas")
            elif isinstance(node, ast.ImportFrom) and node.module == "rayfaas" and not node.level:
                decorators.update(
                    (each.asname or each.name, each.name) for each in node.names if each.name in DECORATORS
                )
        return cls(frozenset(packages), decorators)

    def decorator(self, node: ast.AST) -> str | None:
        """Which of DECORATORS it is, called or not: `rayfaas.function`, `rayfaas.function(...)`."""
        node = node.func if isinstance(node, ast.Call) else node
        if isinstance(node, ast.Attribute):
            is_ours = isinstance(node.value, ast.Name) and node.value.id in self.packages and node.attr in DECORATORS
            return node.attr if is_ours else None
        return self.decorators.get(node.id) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) else None


def _definitions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return (node for node in ast.walk(tree) if isinstance(node, kinds))


def _run_on_import(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that run when the file is imported: not those in functions, nor under `if __name__ == "__main__":`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and _is_main_guard(child.test):
            for other in child.orelse:
                yield other
                yield from _run_on_import(other)
            continue
        yield child
        yield from _run_on_import(child)


def _is_main_guard(test: ast.expr) -> bool:
    if not isinstance(test, ast.Compare) or not isinstance(test.ops[0], ast.Eq):
        return False
    sides = [test.left, *test.comparators]
    is_name = any(isinstance(side, ast.Name) and side.id == "__name__" for side in sides)
    return is_name and any(isinstance(side, ast.Constant) and side.value == "__main__" for side in sides)


def _check_distinct(found: list[DeclaredFunction], file: Path) -> None:
    by_target: dict[str, list[str]] = {}
    for function in found:
        by_target.setdefault(function.declaration.target, []).append(function.attribute)
    for target, attributes in by_target.items():
        if len(attributes) > 1:
            both = ", ".join(dict.fromkeys(attributes))
            raise BadRequest(f"{file} declares {target} more than once: {both}. Give them other names.")
