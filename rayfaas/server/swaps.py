"""Swaps: how executors of one version give way to those of another.

With `overlap` the old ones go when the new ones serve. With `replace` they are gone before a new one starts, as a GPU
wants it that holds one model; meanwhile calls through the function's aliases wait at the gateways.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from rayfaas.errors import DeployTimeout
from rayfaas.server.catalog import Function, Version
from rayfaas.server.fleet import Progress
from rayfaas.server.placement import Placement
from rayfaas.server.routing import RouteTable
from rayfaas.server.whole import whole
from rayfaas.within import within

# How often the gateways are asked for calls that wait for the old version.
_LOOK_S = 0.02

Waiting = Callable[[set[str]], Awaitable[int]]
"""How many calls wait at the gateways for versions, by their keys."""


class Swaps:
    """Parks functions and has their executors go."""

    def __init__(self, placement: Placement, routing: RouteTable, waiting: Waiting) -> None:
        self._placement, self._routing, self._waiting = placement, routing, waiting

    @asynccontextmanager
    async def swap(
        self, function: Function, alias: str, version: Version, *others: Version
    ) -> AsyncIterator[Swap | None]:
        """Around what makes `alias` lead to `version`, and to `others` beside it: calls wait while it lasts, if
        executors must go before.

        None where they need not.
        """
        besides = {function.versions[n].key for n in function.leads_to(besides=alias)}
        keep = {version.key} | {other.key for other in others} | besides
        if version.spec.swap != "replace" or not self._placement.running(function, keep):
            yield None
            return
        function.parked = True
        self._placement.hold(function)
        try:
            await self.announce(function)
            yield Swap(self._placement, self._waiting, function, version, keep)
        finally:
            await whole(self._resume(function))

    async def _resume(self, function: Function) -> None:
        function.parked = False
        await self.announce(function)
        self._placement.resume(function)

    async def announce(self, function: Function) -> None:
        """Returns when every gateway has the function as it is now in force."""
        revision = await self._routing.set_function(function.route())
        await self._routing.applied(revision)


class Swap:
    """One of them, of a function that is parked. Executors of the versions in `keep` stay."""

    def __init__(
        self, placement: Placement, waiting: Waiting, function: Function, version: Version, keep: set[str]
    ) -> None:
        self._placement, self._waiting = placement, waiting
        self._function, self._version, self._keep = function, version, keep

    async def clear(self, deadline_s: float, progress: Progress) -> None:
        """Returns when the executors have finished the calls that were accepted for them, and are gone.

        Raises `DeployTimeout`.
        """
        deadline = time.monotonic() + deadline_s
        progress("swap", "waiting for the executors of the version before to finish their calls")
        try:
            await within(deadline_s, self._served())
            await self._placement.clear(self._function, self._version, self._keep, deadline - time.monotonic())
        except asyncio.TimeoutError:
            name = f"{self._function.team}/{self._function.name}"
            raise DeployTimeout(
                f"{name} still answers calls with the version before after {deadline_s:.0f} s; they go on."
            ) from None

    async def _served(self) -> None:
        while True:
            if not await self._waiting(self._placement.running(self._function, self._keep)):
                return
            await asyncio.sleep(_LOOK_S)
