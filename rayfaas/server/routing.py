"""The route table: what every gateway has to know, by revision, and which revision each has in force."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Any

from rayfaas.link import Link
from rayfaas.server.version_changes import VersionChanges
from rayfaas.within import within

# A poll without news is answered after this long, so that a broken link is noticed.
POLL_S = 20.0
# A gateway that has not taken a revision in after this long is not waited for: it is hung, or being restarted.
APPLY_S = 2.0


class RouteTable:
    """Functions, tokens and session keys as the gateways take them (`gateway/snapshot.py: Changes`)."""

    def __init__(self) -> None:
        self.revision = 1
        self._functions: dict[str, tuple[int, dict[str, Any]]] = {}
        self._versions: defaultdict[str, VersionChanges] = defaultdict(VersionChanges)
        self._tokens: tuple[int, list[dict[str, Any]]] = (1, [])
        self._sessions: tuple[int, dict[str, bytes]] = (1, {})
        self._secrets: tuple[int, dict[str, str]] = (1, {})
        self._limits: tuple[int, dict[str, Any]] = (1, {"limits": []})
        self._changed = asyncio.Condition()
        self._applied: dict[Link, int] = {}

    async def set_function(self, route: dict[str, Any]) -> int:
        """Returns the revision from which it holds."""
        name = f"{route['team']}/{route['name']}"
        self._functions[name] = (self.revision + 1, route)
        self._versions[name].take(route["versions"], self.revision + 1)
        return await self._advance()

    async def set_tokens(self, tokens: list[dict[str, Any]]) -> int:
        self._tokens = (self.revision + 1, tokens)
        return await self._advance()

    async def set_sessions(self, sessions: dict[str, bytes]) -> int:
        self._sessions = (self.revision + 1, sessions)
        return await self._advance()

    async def set_secrets(self, editions: dict[str, str]) -> int:
        self._secrets = (self.revision + 1, editions)
        return await self._advance()

    async def set_limits(self, limits: list[dict[str, Any]], gateways: int) -> int:
        self._limits = (self.revision + 1, {"limits": limits, "gateways": gateways})
        return await self._advance()

    async def poll(self, link: Link, since: int) -> dict[str, Any]:
        """What changed after `since`, which is in force at this gateway; waits until there is something."""
        async with self._changed:
            self._applied[link] = since
            self._changed.notify_all()
            try:
                await within(POLL_S, self._changed.wait_for(lambda: self.revision > since))
            except asyncio.TimeoutError:
                pass  # no news is an answer too
        return self._since(since)

    def expect(self, link: Link) -> None:
        """A gateway is connected: it is waited for from now on, though it has not polled yet."""
        self._applied[link] = 0

    def forget(self, link: Link) -> None:
        self._applied.pop(link, None)

    async def applied(self, revision: int) -> None:
        """Wait until every gateway that is connected has `revision` in force."""
        async with self._changed:
            try:
                await within(APPLY_S, self._changed.wait_for(lambda: self._all_have(revision)))
            except asyncio.TimeoutError:
                pass  # it takes it in when it comes back to life, before it answers another poll

    def _all_have(self, revision: int) -> bool:
        return all(has >= revision for link, has in self._applied.items() if link.is_open)

    async def _advance(self) -> int:
        async with self._changed:
            self.revision += 1
            self._changed.notify_all()
        return self.revision

    def _since(self, since: int) -> dict[str, Any]:
        return {
            "revision": self.revision,
            "functions": [
                self._function_since(name, since) for name, (changed, _) in self._functions.items() if changed > since
            ],
            "tokens": self._tokens[1] if self._tokens[0] > since else None,
            "limits": self._limits[1] if self._limits[0] > since else None,
            "secrets": self._secrets[1] if self._secrets[0] > since else None,
            "sessions": self._sessions[1] if self._sessions[0] > since else None,
        }

    def _function_since(self, name: str, since: int) -> dict[str, Any]:
        """All of it for who knows nothing yet; else without the versions that are as they were."""
        _, route = self._functions[name]
        if since == 0:
            return route
        came, went = self._versions[name].since(since)
        return route | {"versions": came, "removed": went, "whole": False}
