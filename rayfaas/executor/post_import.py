"""Having something done to a module when it has been imported, by whomever; at once where it was before."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from rayfaas.executor.complaint import complain

Done = Callable[[ModuleType], None]


def when_imported(wanted: Mapping[str, Done]) -> None:
    """`wanted` are modules by name, each with what is to be done to it, once. What that raises is
    told, and does not break the import."""
    later = dict(wanted)
    for name in wanted:
        module = sys.modules.get(name)
        if module is not None and not _is_initializing(module):
            _do(later.pop(name), module)
    sys.meta_path.insert(0, _Watch(later))


class _Watch(MetaPathFinder):
    """Finds nothing itself: it asks the others, and has their loader do one more thing."""

    def __init__(self, wanted: dict[str, Done]) -> None:
        self._wanted = wanted

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        done = self._wanted.pop(fullname, None)
        if done is None:
            return None
        for finder in sys.meta_path[sys.meta_path.index(self) + 1 :]:
            if (spec := finder.find_spec(fullname, path, target)) is not None:
                if spec.loader is not None:
                    self._extend(spec.loader, done)
                return spec
        self._wanted[fullname] = done
        return None

    def _extend(self, loader: Any, done: Done) -> None:
        execute = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            _do(done, module)

        try:
            loader.exec_module = exec_module
        except AttributeError:
            pass  # a loader of a kind of its own: the module is imported as ever


def _do(done: Done, module: ModuleType) -> None:
    try:
        done(module)
    except Exception as error:  # noqa: BLE001 another release of the library may have it otherwise
        complain(f"this {module.__name__} is not followed: {type(error).__name__}: {error}")


def _is_initializing(module: ModuleType) -> bool:
    return bool(getattr(module.__spec__, "_initializing", False))
