"""What the controller wishes of the cluster that it has on its own machine, and what is told to it."""

from __future__ import annotations

import asyncio
from typing import Any

from rayfaas.errors import Unavailable
from rayfaas.link import Link, Service


class Wish(Service):
    """Nothing is wished before the controller has spoken. A stop that was wished once is carried out: whoever is told
    of it has let go of the cluster."""

    def __init__(self, can_stop: bool) -> None:
        super().__init__({"wish": self._hear})
        self._can_stop = can_stop
        self._link: Link | None = None
        self._runs = asyncio.Event()
        self._state, self._detail = "STOPPED", "it was not started yet"
        self.stops = False

    async def wanted(self) -> None:
        """Returns when the cluster is to be up."""
        if self.stops:
            self.stopped()
        await self._runs.wait()

    def stopped(self) -> None:
        self.stops = False
        self.tell("STOPPED", "it ended in order")

    def tell(self, state: str, detail: str) -> None:
        self._state, self._detail = state, detail
        if self._link is not None:
            told = "STOPPING" if self.stops else state
            self._link.notify("head_is", state=told, detail=detail, can_stop=self._can_stop)

    async def request(self, method: str, **parameters: Any) -> Any:
        """Of the controller. Raises `Unavailable` where it is not there."""
        if self._link is None:
            raise Unavailable("the controller is not reachable")
        return await self._link.request(method, **parameters)

    def on_open(self, link: Link) -> None:
        self._link = link
        self.tell(self._state, self._detail)

    def on_close(self, link: Link) -> None:
        self._link = None

    async def _hear(self, link: Link, want: str) -> None:
        if want == "RUNNING":
            self._runs.set()
        elif self._can_stop:
            self._runs.clear()
            if self._state != "STOPPED":
                self.stops = True
                self.tell(self._state, "")
