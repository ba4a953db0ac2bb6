"""The decorated functions and classes of a file, each with its bundle: what a deploy of the file publishes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rayfaas.bundle import Bundle, bundle_file
from rayfaas.declaration import Declaration
from rayfaas.errors import NotFound
from rayfaas.source import declared_functions


class Bundled(NamedTuple):
    declaration: Declaration
    bundle: Bundle


def bundled_functions(file: Path, names: Sequence[str] = ()) -> list[Bundled]:
    """All that `file` declares, or those that `names` says, in its order. Raises what is wrong with the file."""
    declared = declared_functions(file)
    if missing := set(names) - {function.declaration.name for function in declared}:
        known = ", ".join(function.declaration.name for function in declared)
        raise NotFound(f"{file} does not declare {', '.join(sorted(missing))}. It declares {known}.")
    chosen = [function for function in declared if not names or function.declaration.name in names]
    return [Bundled(each.declaration, bundle_file(file, each.attribute, each.declaration.include)) for each in chosen]
