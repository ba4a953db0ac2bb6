"""The gateway's link to the controller: routes in, demand and load out, control-plane requests on behalf of callers.

Calls go on while it is down; what was known stays known.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from rayfaas.errors import RayfaasError, Unavailable, from_problem
from rayfaas.gateway.deaths import Death, Deaths
from rayfaas.gateway.dispatch import Dispatcher
from rayfaas.gateway.progress import Progress
from rayfaas.gateway.routes import Routes
from rayfaas.gateway.snapshot import Changes
from rayfaas.link import Link, Service

_log = logging.getLogger("rayfaas.gateway")

LOAD_EVERY_S = 0.25


class ControllerLink(Service):
    """Hand it to `keep_link`; it does its work whenever a link is up."""

    def __init__(self, routes: Routes, deaths: Deaths) -> None:
        super().__init__(
            {
                "refuse": self._refuse,
                "executor_ended": self._executor_ended,
                "waiting": self._waiting,
                "progress": self._progress,
            }
        )
        self.progress = Progress()
        self._routes, self._deaths = routes, deaths
        self._link: Link | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._dispatcher: Dispatcher | None = None
        self.has_routes = asyncio.Event()

    def serve(self, dispatcher: Dispatcher) -> None:
        """Tell this dispatcher's load and demand."""
        self._dispatcher = dispatcher

    def demand(self, key: str) -> None:
        """Calls of this version wait and no executor is there."""
        if self._link is not None:
            self._link.notify("demand", key=key)

    async def request(self, method: str, **parameters: Any) -> Any:
        return await self._required().request(method, **parameters)

    def stream(self, method: str, **parameters: Any) -> AsyncIterator[Any]:
        return self._required().stream(method, **parameters)

    @property
    def is_up(self) -> bool:
        return self._link is not None

    @property
    def is_elsewhere(self) -> bool:
        """Whether it is on another machine, whose files are not to be had here."""
        return self._required().is_remote

    def on_open(self, link: Link) -> None:
        self._link = link
        self._tasks = [asyncio.ensure_future(self._follow(link)), asyncio.ensure_future(self._report(link))]
        if self._dispatcher is not None:
            self._dispatcher.demand_again()

    def on_close(self, link: Link) -> None:
        self._link = None
        self.progress.clear()
        for task in self._tasks:
            task.cancel()

    def _required(self) -> Link:
        if self._link is None:
            raise Unavailable("The controller is not reachable right now; calls go on. Try again in a moment.")
        return self._link

    async def _follow(self, link: Link) -> None:
        """Long polls; a poll's `since` tells the controller which revision is in force here."""
        since = 0  # a controller that was restarted counts anew
        while True:
            try:
                answer = await link.request("poll", since=since)
            except RayfaasError as error:
                _log.warning("routes can't be followed: %s", error.detail)
                return link.abort()
            changes = msgspec.convert(answer, Changes)
            if changes.revision != since:
                self._routes.apply(changes)
                if changes.sessions is not None and self._dispatcher is not None:
                    self._dispatcher.keep_clusters(changes.sessions)
                self.has_routes.set()
            since = changes.revision

    async def _report(self, link: Link) -> None:
        last: dict[str, list[float]] = {}
        while self._dispatcher is not None:
            load = self._dispatcher.load()
            if load or last:
                link.notify("load", load=load)
            last = load
            await asyncio.sleep(LOAD_EVERY_S)

    async def _refuse(self, link: Link, key: str, problem: dict[str, Any]) -> None:
        """No executor of this version will come, for this reason."""
        if self._dispatcher is not None:
            self._dispatcher.refuse_waiting(key, from_problem(problem))

    async def _waiting(self, link: Link, keys: list[str]) -> int:
        """How many calls wait for an executor of these versions."""
        return sum(self._dispatcher.pool(key).waiting_count for key in keys) if self._dispatcher is not None else 0

    async def _progress(self, link: Link, key: str, event: str, awaits: str) -> None:
        """What calls of this version wait for."""
        self.progress.tell(key, event, awaits)

    async def _executor_ended(self, link: Link, executor: str, death: dict[str, Any]) -> None:
        self._deaths.tell(executor, msgspec.convert(death, Death))
