"""Why executors ended, as their supervisors tell by way of the controller. Whose call went with one hears it."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

import msgspec

from rayfaas.within import within

# A connection breaks before the supervisor has seen the process end; it is waited for so long.
WAIT_S = 1.0
_REMEMBERED = 1_000


class Death(msgspec.Struct, frozen=True):
    """`how` in words ("was killed by SIGSEGV"), `output` the last that it wrote, `out_of_memory` if that was why."""

    how: str
    output: str = ""
    out_of_memory: bool = False


class Deaths:
    """Remembers the last ones, and lets who asks too early wait a moment."""

    def __init__(self, wait_s: float = WAIT_S) -> None:
        self._wait_s = wait_s
        self._known: OrderedDict[str, Death] = OrderedDict()
        self._awaited: dict[str, asyncio.Future[Death]] = {}

    def tell(self, executor: str, death: Death) -> None:
        self._known[executor] = death
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        if (awaited := self._awaited.pop(executor, None)) is not None and not awaited.done():
            awaited.set_result(death)

    async def of(self, executor: str) -> Death | None:
        """None where nobody told in time: its machine may have gone with it."""
        if executor in self._known:
            return self._known[executor]
        awaited = self._awaited.setdefault(executor, asyncio.get_running_loop().create_future())
        try:
            return await within(self._wait_s, asyncio.shield(awaited))
        except asyncio.TimeoutError:
            self._awaited.pop(executor, None)
            return None
