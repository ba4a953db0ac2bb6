"""The gateways that are connected: what all of them are told or asked, and where executors dial them."""

from __future__ import annotations

import asyncio
from typing import Any

from rayfaas.errors import RayfaasError, to_problem
from rayfaas.handshake import Identity
from rayfaas.link import Link
from rayfaas.server.asking import ask

# How long one may take to say which calls wait.
WAITING_S = 2.0


class GatewayLinks:
    """Each link with who its gateway has proved to be."""

    def __init__(self) -> None:
        self._links: dict[Link, Identity] = {}

    def all(self) -> dict[Link, Identity]:
        return self._links

    def add(self, link: Link) -> None:
        self._links[link] = link.peer or {}

    def remove(self, link: Link) -> bool:
        """Whether it was a gateway's."""
        return self._links.pop(link, None) is not None

    def addresses(self, supervisor: Link) -> list[str]:
        """Where the executors of a supervisor dial them."""
        dialled = {
            str(peer.get("network_address" if supervisor.is_remote or link.is_remote else "executor_address") or "")
            for link, peer in self._links.items()
        }
        return sorted(dialled - {""})

    def tell(self, method: str, **parameters: Any) -> None:
        for link in self._links:
            link.notify(method, **parameters)

    def refuse(self, key: str, error: RayfaasError) -> None:
        """No executor of this version will come for the calls that wait."""
        self.tell("refuse", key=key, problem=to_problem(error))

    async def waiting(self, keys: set[str]) -> int:
        """How many calls wait for these versions. A gateway that does not answer is gone, and its calls with it."""
        answers = await asyncio.gather(*(ask(link, "waiting", WAITING_S, keys=sorted(keys)) for link in self._links))
        return sum(answer or 0 for answer in answers)
