"""What gateways ask to publish a version: bundles in, plans, and the deploy itself; and bundles out, to supervisors."""

from __future__ import annotations

import asyncio
from typing import Any

from rayfaas.errors import NotFound
from rayfaas.link import Link, Method
from rayfaas.roles import Roles, rank
from rayfaas.server.bundles import BundleStore
from rayfaas.server.deploys import Deploys
from rayfaas.server.plans import Plans
from rayfaas.server.protections import NO_RIGHTS
from rayfaas.server.store import Store
from rayfaas.spec import Planned, Publish, parse


class Publishing:
    """`methods` are for gateways, `bundle` for supervisors."""

    def __init__(self, store: Store, bundles: BundleStore, deploys: Deploys, plans: Plans) -> None:
        self._store, self._bundles, self._deploys, self._plans = store, bundles, deploys, plans
        self.methods: dict[str, Method] = {
            "has_bundle": self._has_bundle,
            "put_bundle": self._put_bundle,
            "publish": self._publish,
            "plan": self._plan,
            "bundle": self._bundle,
        }

    async def _has_bundle(self, link: Link, digest: str, actor: str, rights: Roles = NO_RIGHTS) -> bool:
        """Whether the actor may deploy it without sending it: others' bundles are to them as if they were not here, or
        whoever knows a digest could have the code."""
        if not self._bundles.has(digest):
            return False
        teams = [team for team, role in rights.items() if rank(role) >= rank("deployer")]
        return "admin" in rights.values() or await self._store.query(
            self._store.registry.catalog.may_use_bundle, digest, actor, teams
        )

    async def _put_bundle(self, link: Link, digest: str, archive: bytes, actor: str) -> None:
        await asyncio.to_thread(self._bundles.put, digest, archive)
        await self._store.write(self._store.registry.catalog.add_bundle, digest, len(archive), actor)

    async def _publish(
        self, link: Link, team: str, name: str, publish: dict[str, Any], actor: str, rights: Roles = NO_RIGHTS
    ) -> Any:
        request: Publish = parse(Publish, publish, "The deploy")
        if not await self._has_bundle(link, request.bundle, actor, rights):
            raise NotFound(f"Bundle {request.bundle[:12]} is not on this server: send it first.", bundle=request.bundle)
        async for event in self._deploys.publish(team, name, request, actor, rights):
            yield event

    async def _plan(
        self, link: Link, team: str, name: str, planned: dict[str, Any], actor: str, rights: Roles = NO_RIGHTS
    ) -> dict[str, Any]:
        request: Planned = parse(Planned, planned, "The plan")
        is_known = await self._has_bundle(link, request.publish.bundle, actor, rights)
        return {**await self._plans.plan(team, name, request), "bundle_known": is_known}

    async def _bundle(self, link: Link, digest: str) -> bytes:
        return await asyncio.to_thread(self._bundles.get, digest)
