"""Which files a module needs: those of the project that it imports, and that they import, found without running any."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from rayfaas.project import Project, SourceFile

_ALL = "*"


def import_closure(project: Project, entry: Path, included: Iterable[Path] = ()) -> dict[str, SourceFile]:
    """The file `entry` and all of the project's files that importing or running it may import, by name, and `included`.

    Imports are found wherever they stand, in functions and branches too. Those whose name is computed are not found.
    """
    module = project.module_name(entry)
    found: dict[str, SourceFile] = {}
    waiting = [*project.files_of(module), entry, *included]
    while waiting:
        source = project.read(waiting.pop())
        if source.name in found:
            continue
        found[source.name] = source
        if source.is_python:
            imported = sorted(set(imported_modules(source.tree, source.package)))
            waiting += [path for name in imported for path in _files(project, name, module)]
    return found


def outside_imports(project: Project, module: str) -> list[str]:
    """Modules of installed packages that importing the project's `module` loads, as far as its text tells."""
    found: dict[str, None] = {}
    for entry in project.files_of(module):
        for source in import_closure(project, entry).values():
            if source.is_python:
                found.update(dict.fromkeys(_imported_at_once(source.tree)))
    return [name for name in found if _is_outside(project, name.partition(".")[0])]


def imported_modules(tree: ast.Module, package: str) -> Iterator[str]:
    """Dotted names of what may be modules; `package` is what relative imports start from. `a.*` is all in `a`.

    >>> sorted(imported_modules(ast.parse("from .models import encode; import json"), "app"))
    ['app.models', 'app.models.encode', 'json']
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute("." * node.level + (node.module or ""), package)
            if base is not None:
                yield base
                yield from (f"{base}.{alias.name}".lstrip(".") for alias in node.names)
        elif isinstance(node, ast.Call) and (name := _imported_by_call(node)):
            base = _absolute(name, package)
            if base is not None:
                yield base


def _files(project: Project, module: str, entry: str) -> list[Path]:
    if project.is_installed and module.partition(".")[0] != entry.partition(".")[0]:
        return []
    package, _, last = module.rpartition(".")
    if last == _ALL:
        return [*project.files_of(package), *project.modules_in(package)]
    return list(project.files_of(module))


def _imported_at_once(tree: ast.Module) -> Iterator[str]:
    """What runs when the file is imported: no imports in functions, none for type checkers."""
    waiting: list[ast.stmt] = list(reversed(tree.body))
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            waiting += reversed(node.orelse)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            waiting += [child for child in reversed(list(ast.iter_child_nodes(node))) if isinstance(child, ast.stmt)]


def _is_outside(project: Project, top: str) -> bool:
    return top not in sys.stdlib_module_names | {"rayfaas"} and not project.holds(top)


def _absolute(name: str, package: str) -> str | None:
    """The absolute name of an import, None for a relative one that leaves the root."""
    level = len(name) - len(name.lstrip("."))
    if level == 0:
        return name
    parts = package.split(".") if package else []
    if level - 1 > len(parts):
        return None
    return ".".join([*parts[: len(parts) - level + 1], *filter(None, [name[level:]])])


def _imported_by_call(node: ast.Call) -> str | None:
    """The literal name in `importlib.import_module("name")` or `__import__("name")`."""
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", None)
    if name not in ("import_module", "__import__") or not node.args:
        return None
    first = node.args[0]
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None
