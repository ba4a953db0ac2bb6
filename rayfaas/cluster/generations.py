"""The generations of a supervisor's zygote: what executors import at a cost, the next generation has loaded."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import Any

from rayfaas.cluster.zygotes import OnExit, Zygote
from rayfaas.errors import RayfaasError, Unavailable
from rayfaas.orders import Preloaded

_log = logging.getLogger("rayfaas.supervisor")

# A generation lives as long as one that grew from it: after so many, the next begins from nothing.
_DEEPEST = 32
# What reads its environment when it is imported, and believes it for ever: a zygote has not that of the executors.
_NOT_BEFORE = {"ray": "it decides when it is imported which cluster it may join, and with what token"}


class Generations:
    """Executors are forked from the newest one. Older ones end with their last executor."""

    def __init__(self, python: str, environ: Mapping[str, str], on_exit: OnExit) -> None:
        self._python, self._environ, self._on_exit = python, environ, on_exit
        self._newest: Zygote | None = None
        self._starting = asyncio.Lock()
        self._wanted: dict[str, None] = {}  # modules, in the order of their import
        self._loaded: set[str] = set()  # those that the newest one has
        self._refused: dict[str, str] = {}
        self._cost_ms: dict[str, float] = {}
        self._learning: asyncio.Task[None] | None = None
        self._closed = False

    async def newest(self) -> Zygote:
        """Raises `Unavailable` if none comes up."""
        async with self._starting:
            if self._closed:
                raise Unavailable("this replica is shutting down")
            if self._newest is None or not self._newest.is_up:
                self._loaded = set()
                self._newest = await Zygote.start(self._python, self._environ, self._on_exit)
            return self._newest

    def learn(self, modules: Iterable[str]) -> None:
        """Have them loaded by the next generation."""
        for module in modules:
            if (reason := _NOT_BEFORE.get(module.partition(".")[0])) is not None:
                self._refused[module] = reason
            elif module not in self._refused:
                self._wanted[module] = None
        if self._missing() and (self._learning is None or self._learning.done()):
            self._learning = asyncio.get_running_loop().create_task(self._grow())

    async def load(self, modules: Iterable[str], timeout_s: float) -> None:
        """Wait until the newest generation has them loaded, or they are refused, or the time is over."""
        self.learn(modules)
        if self._missing() and self._learning is not None:
            await asyncio.wait([self._learning], timeout=timeout_s)

    def preloaded(self) -> dict[str, Any]:
        """What the newest has loaded, the milliseconds that it took of packages, and what was refused and why."""
        return {
            "modules": [m for m in self._wanted if m in self._loaded],
            "cost_ms": {m: self._cost_ms[m] for m in self._wanted if m in self._loaded and m in self._cost_ms},
            "refused": self._refused,
            "pid": self._newest.pid if self._newest else None,
        }

    async def stop(self) -> None:
        """End them; the executors have ended before, or end now."""
        self._closed = True
        if self._learning is not None:
            self._learning.cancel()
        if self._newest is not None:
            self._newest.retire()
        zygote = self._newest
        while zygote is not None:
            await zygote.ended.wait()
            zygote = zygote.parent

    def _missing(self) -> list[str]:
        return [m for m in self._wanted if m not in self._loaded]

    async def _grow(self) -> None:
        while (missing := self._missing()) and not self._closed:
            try:
                old = await self.newest()
                base = old if old.depth < _DEEPEST else await Zygote.start(self._python, self._environ, self._on_exit)
            except RayfaasError as error:
                _log.error("no zygote: %s", error)
                return
            modules = missing if base is old else list(self._wanted)
            try:
                zygote, report = await base.grow(modules)
            except RayfaasError as error:
                if base.is_up:  # else it is not the modules' fault
                    self._refuse(dict.fromkeys(missing, error.detail))
            else:
                self._settle(old, modules, zygote, report)
            if base is not old:
                base.retire()

    def _settle(self, old: Zygote, modules: list[str], zygote: Zygote, report: Preloaded) -> None:
        if report.unfit is not None:
            self._refuse(dict.fromkeys(self._missing(), report.unfit))
            return
        self._refuse(report.refused)
        self._cost_ms.update(report.cost_ms)
        self._newest = zygote
        old.retire()
        self._loaded.update(m for m in modules if m not in report.refused)
        _log.info("zygote %s loaded %d more modules in %.0f ms", zygote.pid, len(modules), report.took_ms)

    def _refuse(self, refused: Mapping[str, str]) -> None:
        self._refused.update(refused)
        for module in refused:
            self._wanted.pop(module, None)
