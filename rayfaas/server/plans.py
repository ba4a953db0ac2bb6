"""Plans: what a deploy would change, reuse and take, told before it is made. Nothing is changed by one."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

import msgspec

from rayfaas.changes import FileChanges, changes
from rayfaas.errors import NotFound
from rayfaas.registry.rows import VersionRow
from rayfaas.server.bundles import BundleStore
from rayfaas.server.fleet import Fleet
from rayfaas.server.store import Store
from rayfaas.spec import Planned, Publish


class Plans:
    """`load` has what was called until now recorded."""

    def __init__(self, store: Store, bundles: BundleStore, fleet: Fleet, load: Callable[[], Awaitable[object]]) -> None:
        self._store, self._bundles, self._fleet, self._load = store, bundles, fleet, load

    async def plan(self, team: str, name: str, planned: Planned) -> dict[str, Any]:
        """What a deploy of this would come to, were it made now.

        Whether it breaks callers is not known before its code is imported.
        """
        await self._load()
        return await self._store.query(self._plan, team, name, planned)

    def _plan(self, team: str, name: str, planned: Planned) -> dict[str, Any]:
        history, publish, function = self._store.registry.deploys, planned.publish, f"{team}/{name}"
        move = history.alias_move(team, name, publish.alias)
        before = history.version(team, name, move.version) if move else None
        environment = self._environment(before, publish)
        same = history.same_content(team, name, publish.content_digest(), environment)
        is_new = same is None or same.state != "ACTIVE"
        return {
            "function": function,
            "alias": publish.alias,
            "revision": move.revision if move else 0,
            "before": {**msgspec.to_builtins(move), **_told(before)} if move and before else None,
            "version": None if same is None else same.version,
            "created": same is None,
            "starts": is_new,
            "bundle_known": self._bundles.has(publish.bundle),
            "environment_known": before is not None and before.environment_digest == environment,
            "shape_known": before is not None and before.spec.shape == publish.spec.shape,
            "files": asdict(FileChanges.between(self._files(before), planned.files)),
            "settings": [asdict(each) for each in changes(_settings(before), _settings(publish))] if before else [],
            "callers": msgspec.to_builtins(history.callers(function, publish.alias)),
            "expected": self._expected(function, same is None),
        }

    def _environment(self, before: VersionRow | None, publish: Publish) -> str:
        """The digest of what it would run in; "" where its packages would have to be resolved first."""
        wanted = publish.spec.shape.wanted
        if wanted is None:
            return self._fleet.environment()
        locked = before.environment if before is not None and not publish.upgrade else None
        return locked.digest if locked is not None and locked.wanted == wanted.digest else ""

    def _files(self, before: VersionRow | None) -> dict[str, str]:
        """The SHA-256 of each file of a version; none where its bundle is not here, or not to be read."""
        if before is None:
            return {}
        try:
            archive = zipfile.ZipFile(io.BytesIO(self._bundles.get(before.bundle)))
            return {name: hashlib.sha256(archive.read(name)).hexdigest() for name in archive.namelist()}
        except (NotFound, zipfile.BadZipFile, NotImplementedError, RuntimeError):
            return {}

    def _expected(self, function: str, created: bool) -> dict[str, Any]:
        """By the deploys of the function, else by those of all."""
        times = self._store.registry.deploys.times(created, function)
        of = "function"
        if not times.deploys:
            times, of = self._store.registry.deploys.times(created), "all"
        return {"seconds": times.median_s, "deploys": times.deploys, "of": of}


def _settings(of: VersionRow | Publish | None) -> dict[str, Any]:
    if of is None:
        return {}
    return {"entry": of.entry.model_dump(mode="json"), **of.spec.model_dump(mode="json")}


def _told(version: VersionRow) -> dict[str, Any]:
    return {"git_commit": version.provenance.git_commit, "message": version.provenance.message}
