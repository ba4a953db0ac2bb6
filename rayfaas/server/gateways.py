"""Gateways on other machines: how they join, how their journals come here, how they leave."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from rayfaas.errors import Conflict, NotFound, RayfaasError
from rayfaas.gateway.keys import Keys
from rayfaas.handshake import Identity
from rayfaas.join_token import JoinToken
from rayfaas.link import Link, Method
from rayfaas.names import check_gateway
from rayfaas.registry.access import JOIN_US
from rayfaas.server.mirrors import Mirrors
from rayfaas.server.store import Store
from rayfaas.within import within

_log = logging.getLogger("rayfaas.controller")

# One that does not answer holds up nobody for longer who asks what was recorded.
COPY_S = 2.0

Connected = Callable[[], Mapping[Link, Identity]]


class Gateways:
    """`methods` are for gateways, but for `join_gateway`. `address` is where others dial; "": nowhere. `connected` are
    all that are, those of this machine too."""

    def __init__(self, store: Store, mirrors: Mirrors, connected: Connected, key: bytes, address: str) -> None:
        self._store, self._mirrors, self._connected = store, mirrors, connected
        self._home_key, self._address = key, address
        self._keys: dict[str, bytes] = {}
        self._addresses: dict[str, str] = {}
        self.methods: dict[str, Method] = {
            "invite_gateway": self.invite_gateway,
            "join_gateway": self.join_gateway,
            "gateways": self.gateways,
            "remove_gateway": self.remove_gateway,
        }

    async def read_registry(self) -> None:
        self._keys = await self._store.write(self._store.registry.gateways.keys)
        self._addresses = await self._store.write(self._store.registry.gateways.addresses)
        self._mirrors.begin(self._keys)

    def key(self, gateway: str) -> bytes | None:
        """With which a gateway on another machine proves who it is; None where none of that name has joined."""
        return self._keys.get(gateway)

    @property
    def addresses(self) -> set[str]:
        """Where executors dial those that have joined, connected or not."""
        return set(self._addresses.values()) - {""}

    async def keep_address(self, peer: Identity) -> None:
        """Executors go on with a gateway whose link is down, even when a controller has started since."""
        name, address = str(peer.get("name")), str(peer.get("network_address") or "")
        if self._addresses.get(name) != address:
            self._addresses[name] = address
            await self._store.write(self._store.registry.gateways.set_address, name, address)

    def welcome(self, link: Link, peer: Identity) -> None:
        """One of another machine is connected. Raises `ProtocolError`."""
        name = str(peer.get("name"))
        self._disconnect(name, but=link)  # what is left of an earlier connection
        self._mirrors.welcome(name, str(peer.get("instance")))

    async def copy_journals(self) -> None:
        """Have here what those that are connected have recorded."""
        await asyncio.gather(*(self._copy(link, name) for name, link in self._elsewhere().items()))

    async def _copy(self, link: Link, gateway: str) -> None:
        try:
            await within(COPY_S, self._mirrors.copy(link, gateway))
        except (OSError, RayfaasError, asyncio.TimeoutError, msgspec.ValidationError) as error:
            _log.warning("the journal of %s can't be copied now: %s", gateway, error or type(error).__name__)

    def _elsewhere(self) -> dict[str, Link]:
        return {str(peer.get("name")): link for link, peer in self._connected().items() if link.is_remote}

    # For gateways

    async def invite_gateway(self, link: Link, gateway: str | None, actor: str) -> dict[str, Any]:
        """What the people of another machine are given to have a gateway there join."""
        if not self._address:
            raise Conflict(
                "This server lets nobody of another machine in. Start it so that they can reach it: "
                "rayfaas up --cluster-address HOST:PORT"
            )
        name = check_gateway(gateway) if gateway else self._free_name()
        token_id, secret = await self._store.write(self._store.registry.gateways.create_token, name, actor)
        token = str(JoinToken(self._address, token_id, secret))
        return {"gateway": name, "token": token, "expires_in_s": JOIN_US // 1_000_000}

    async def join_gateway(self, link: Link) -> dict[str, Any]:
        """Its name, and its keys. Who has had the name until now is out."""
        token_id = str((link.peer or {}).get("join"))
        name, key = await self._store.write(self._store.registry.gateways.use_token, token_id)
        self._disconnect(name)
        self._keys[name] = key
        keys = Keys.elsewhere(key, self._home_key)
        return {"gateway": name, "link": keys.link, "calls": keys.calls, "webhooks": keys.webhooks}

    async def gateways(self, link: Link) -> list[dict[str, Any]]:
        """All that are connected, and those of other machines that are away."""
        found = [
            {"gateway": str(peer.get("name")), "state": "up", "elsewhere": each.is_remote, "pid": peer.get("pid")}
            for each, peer in self._connected().items()
        ]
        away = sorted(self._keys.keys() - self._elsewhere().keys())
        return found + [{"gateway": name, "state": "away", "elsewhere": True, "pid": None} for name in away]

    async def remove_gateway(self, link: Link, gateway: str, actor: str) -> None:
        """It is not let in any more. Calls that it has not said the end of are interrupted."""
        if gateway not in self._keys:
            raise NotFound(f"No gateway {gateway!r} of another machine has joined. `rayfaas gateway list` shows them.")
        await self.copy_journals()
        await self._store.write(self._store.registry.gateways.remove, gateway, actor)
        del self._keys[gateway]
        self._addresses.pop(gateway, None)
        self._disconnect(gateway)
        await self._mirrors.forget(gateway)

    def _disconnect(self, gateway: str, but: Link | None = None) -> None:
        for link, peer in self._connected().items():
            if link.is_remote and link is not but and peer.get("name") == gateway:
                link.abort()

    def _free_name(self) -> str:
        numbers = range(1, len(self._keys) + 2)
        return next(name for name in (f"edge-{number}" for number in numbers) if name not in self._keys)
