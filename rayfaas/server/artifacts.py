"""Names of artifacts, as gateways ask for them: moved by who may, looked up by calls and people."""

from __future__ import annotations

from typing import Any

from rayfaas.errors import NotFound
from rayfaas.link import Link, Method
from rayfaas.server.answers import plain
from rayfaas.server.journals import Journals
from rayfaas.server.store import Store


class Artifacts:
    """`methods` are for gateways, which have checked who may."""

    def __init__(self, store: Store, journals: Journals) -> None:
        self._store, self._journals = store, journals
        self._rows = store.registry.artifact_aliases
        self.methods: dict[str, Method] = {
            "artifacts": self._all,
            "artifact": self._one,
            "move_artifact": self._move,
        }

    async def _all(self, link: Link, team: str | None) -> list[Any]:
        return [plain(row) for row in await self._store.query(self._rows.current, team)]

    async def _one(self, link: Link, team: str, name: str, alias: str) -> Any:
        found = await self._store.query(self._rows.current, team, name, alias)
        if not found:
            raise no_artifact(team, name, alias)
        return plain(found[0])

    async def _move(
        self, link: Link, team: str, name: str, alias: str, uri: str, version: str | None, actor: str, reason: str
    ) -> Any:
        await self._journals.load()  # the version may be that of a call that ended just now
        return plain(await self._store.write(self._rows.move, team, name, alias, uri, version, actor, reason))


def no_artifact(team: str, name: str, alias: str) -> NotFound:
    return NotFound(f"There is no artifact {team}/{name}:{alias}. `rayfaas artifact list` lists those of your team.")
