"""The locks of environments: which version of each package a deploy gets."""

from __future__ import annotations

import asyncio

import msgspec

from rayfaas.environment import Locked, Wanted
from rayfaas.errors import DeployTimeout
from rayfaas.server.catalog import Function
from rayfaas.server.fleet import WARM, Fleet, Progress
from rayfaas.within import within

# How long a node may take to resolve.
RESOLVE_S = 600.0


class Locks:
    """Asks a warm supervisor of the function's cluster: its node has the interpreters and reaches the package index."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    async def lock(
        self,
        function: Function,
        wanted: Wanted,
        upgrade: bool,
        deadline_s: float,
        progress: Progress,
        cluster: str | None = None,
    ) -> Locked:
        """The lock that the function's last version with the same wishes has, unless it is to be upgraded; else a new
        one. Raises `EnvironmentFailed` with the resolver's own message."""
        known = None if upgrade else _known(function, wanted)
        if known is not None:
            return known
        try:
            members = await self._fleet.wait_for(WARM, deadline_s, cluster)
            asked = members[0].resolve(msgspec.to_builtins(wanted), progress)
            return msgspec.convert(await within(RESOLVE_S, asked), Locked)
        except asyncio.TimeoutError:
            raise DeployTimeout("The packages could not be resolved in time: no node answered.") from None


def _known(function: Function, wanted: Wanted) -> Locked | None:
    for number in sorted(function.versions, reverse=True):
        locked = function.versions[number].environment
        if locked is not None and locked.wanted == wanted.digest:
            return locked
    return None
