"""Which installed packages an import loads, and what each costs: what a zygote should have loaded before the fork."""

from __future__ import annotations

import importlib.abc
import sys
import time
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType, TracebackType
from typing import Any

# A package whose import took longer than this is worth a place in the zygote.
HEAVY_MS = 10.0


class ImportTimes(importlib.abc.MetaPathFinder):
    """Times the import of every top-level package while it is entered.

    A package's time includes what it imports itself, so times overlap: scikit-learn's holds numpy's.
    """

    def __init__(self) -> None:
        self._known = set(sys.modules)
        self.ms: dict[str, float] = {}

    def __enter__(self) -> ImportTimes:
        sys.meta_path.insert(0, self)
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        sys.meta_path.remove(self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if "." in fullname:
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(fullname, path, target)
            if spec is not None:
                if spec.loader is not None and _is_installed(spec):
                    spec.loader = _TimedLoader(spec.loader, self.ms)
                return spec
        return None

    def heavy(self) -> dict[str, float]:
        """Milliseconds by package, of those that cost enough to matter."""
        return {name: round(ms, 1) for name, ms in self.ms.items() if ms >= HEAVY_MS}

    def modules(self) -> list[str]:
        """The modules of the heavy packages that are new in this process, in the order of their import."""
        heavy = self.heavy()
        return [name for name in list(sys.modules) if name not in self._known and name.partition(".")[0] in heavy]


class _TimedLoader(importlib.abc.Loader):
    """Stands before a loader for the time of one import."""

    def __init__(self, loader: Any, ms: dict[str, float]) -> None:
        self._loader, self._ms = loader, ms

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        module: ModuleType | None = self._loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        started = time.perf_counter()
        try:
            self._loader.exec_module(module)
        finally:
            self._ms[module.__name__] = (time.perf_counter() - started) * 1000

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)


def _is_installed(spec: ModuleSpec) -> bool:
    origin = spec.origin or ""
    return "site-packages" in origin or "dist-packages" in origin
