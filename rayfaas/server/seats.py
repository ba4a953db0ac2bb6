"""Machines elsewhere as nodes: how each comes in, once, and what it asks and tells afterwards.

A machine is given a join token with its boot script. It is good for that launch of the keeper only, once, as long as
the keeper waits for it; what it is traded for proves no more than which launch the machine is, and ends with it.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from rayfaas.cloud.errands import LEAVE_S
from rayfaas.cloud.node import Node
from rayfaas.errors import Unauthenticated, Unavailable
from rayfaas.handshake import derive
from rayfaas.link import Link, Method
from rayfaas.server.boot import newcomer_key
from rayfaas.server.fleet import Fleet
from rayfaas.server.machines import Machines

_log = logging.getLogger("rayfaas.keeper")

ASK_S = 60.0
# A keeper that has not looked for so long does not live.
LOOKED_S = 60.0


class Seats:
    """`methods` are for the guards of nodes; `key` is the home's."""

    def __init__(self, key: bytes, machines: Machines, fleet: Fleet) -> None:
        self._key, self._machines, self._fleet = key, machines, fleet
        self.methods: dict[str, Method] = {
            "enter": self.enter,
            "node_up": self.node_up,
            "beat": self.beat,
            "taken_back": self.taken_back,
        }

    def key_of(self, role: str, attempt: str) -> bytes | None:
        """That of a newcomer or of a node; None where it may not come in as one."""
        node = self._machines.of_attempt(attempt)
        if node is None or (role == "newcomer" and not self._machines.waits_for(node)):
            return None
        return newcomer_key(self._key, attempt) if role == "newcomer" else node_key(self._key, attempt)

    async def enter(self, link: Link) -> dict[str, Any]:
        """Spend the token; it is in the registry before the answer."""
        attempt = _attempt(link)
        if not await asyncio.to_thread(self._machines.let_in, attempt):
            raise Unauthenticated("The join token of this machine was used already, or has expired.")
        return {"key": node_key(self._key, attempt)}

    async def node_up(self, link: Link) -> dict[str, Any] | None:
        """Where the head of its cluster is now, what it is called there, and until when it may be; None where it is to
        be part of the cluster no more."""
        node = self._node(link)
        if not node.is_wanted:
            return None
        agent = self._fleet.agents().get(node.cluster)
        if agent is None:
            raise Unavailable(f"the cluster {node.cluster} is not connected")
        lifetime_s = self._machines.lifetime_s(node)
        told = {
            "name": node.name,
            "ray": await agent.request("head", timeout_s=ASK_S),
            "expires_at": None if lifetime_s is None else node.made_at + lifetime_s + LEAVE_S,
        }
        return told if await asyncio.to_thread(self._machines.joins, node.attempt) else None

    async def beat(self, link: Link) -> dict[str, bool]:
        """Answered while the keeper looks after its machines. One that is missed does not know that its head was lost:
        Ray there would find out after a minute."""
        if self._machines.silent_s() > LOOKED_S:
            raise Unavailable("the keeper does not look after its machines")
        return {"missed": self._machines.is_missed(_attempt(link))}

    async def taken_back(self, link: Link, notice: str) -> None:
        """Its provider ends it soon: its calls finish, and another comes from elsewhere when something needs it."""
        node = self._node(link)
        _log.warning("%s/%s is taken back: %s", node.cluster, node.name, notice)
        await asyncio.to_thread(self._machines.take_back, node, f"its provider takes it back: {notice[:200]}")

    def _node(self, link: Link) -> Node:
        node = self._machines.of_attempt(_attempt(link))
        if node is None:
            raise Unauthenticated("This machine is not one of the keeper's any more.")
        return node


def node_key(key: bytes, attempt: str) -> bytes:
    return derive(key, "node", attempt)


def _attempt(link: Link) -> str:
    return str((link.peer or {}).get("name"))
