"""The keys that prove to the controller who a peer is."""

from __future__ import annotations

from rayfaas.handshake import Identity
from rayfaas.server.parts import Parts
from rayfaas.server.roles import FROM_ELSEWHERE


class Keys:
    """The home's own key, and those that clusters, gateways and machines elsewhere were given. None lets nobody in."""

    def __init__(self, home_key: bytes, parts: Parts) -> None:
        self._home_key, self._parts = home_key, parts

    def of(self, identity: Identity) -> bytes | None:
        """That of a peer on this machine."""
        role, registry = identity.get("role"), self._parts.store.registry
        if role in ("gateway", "home", "head"):
            return self._home_key
        if role in ("agent", "supervisor"):
            return self._parts.clusters.session_key(str(identity.get("cluster")))
        if role == "join":
            # Links are few: one query on the event loop, at a join only.
            return registry.access.join_key(str(identity.get("join")))
        if role == "join_gateway":
            return registry.gateways.token_key(str(identity.get("join")))
        if role in ("newcomer", "node"):
            return self._parts.seats.key_of(role, str(identity.get("name")))
        return None

    def over_network(self, identity: Identity) -> bytes | None:
        """The home's own processes are on its machine: nobody else comes in as one of them, whatever key they have."""
        if identity.get("role") == "gateway":
            return self._parts.elsewhere.key(str(identity.get("name")))
        return self.of(identity) if identity.get("role") in FROM_ELSEWHERE else None
