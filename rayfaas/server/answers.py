"""What the registry is asked through a gateway: what is deployed, what calls came to, what they wrote."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from rayfaas.errors import NotFound
from rayfaas.link import Link, Method
from rayfaas.registry import QueryResult, Usage
from rayfaas.registry.lineage import Question
from rayfaas.server.bundles import BundleStore
from rayfaas.server.catalog import Catalog
from rayfaas.server.journals import Journals
from rayfaas.server.store import Store


class Answers:
    """Reads only. What was recorded before a question is in its answer."""

    def __init__(self, store: Store, journals: Journals, catalog: Catalog, bundles: BundleStore) -> None:
        self._store, self._journals, self._catalog, self._bundles = store, journals, catalog, bundles
        self.methods: dict[str, Method] = {
            "functions": self.functions,
            "function": self.function,
            "versions": self.versions,
            "version": self.version,
            "version_bundle": self.version_bundle,
            "interfaces": self.interfaces,
            "sql": self.sql,
            "usage": self.usage,
            "lineage": self.lineage,
            "logs": self.logs,
            "log_lines": self.log_lines,
        }

    async def functions(self, link: Link) -> list[Any]:
        return [plain(row) for row in await self._store.query(self._store.registry.catalog.functions)]

    async def function(self, link: Link, team: str, name: str) -> Any:
        return plain(await self._store.query(self._store.registry.catalog.function, team, name))

    async def versions(self, link: Link, team: str, name: str) -> list[Any]:
        self._catalog.existing(f"{team}/{name}")
        return [plain(row) for row in await self._store.query(self._store.registry.catalog.versions, team, name)]

    async def version(self, link: Link, team: str, name: str, version: int) -> Any:
        self._catalog.existing(f"{team}/{name}")
        return plain(await self._store.query(self._store.registry.deploys.version, team, name, version))

    async def version_bundle(self, link: Link, team: str, name: str, version: int) -> bytes:
        found = await self._store.query(self._store.registry.deploys.version, team, name, version)
        return await asyncio.to_thread(self._bundles.get, found.bundle)

    async def interfaces(self, link: Link) -> list[Any]:
        return [plain(row) for row in await self._store.query(self._store.registry.catalog.interfaces)]

    async def sql(
        self, link: Link, sql: str, parameters: list[Any], actor: dict[str, str], encoding: str = ""
    ) -> dict[str, Any]:
        """A table, or with an `encoding` the `body` of one."""
        await self._journals.load()
        question = sql, parameters, sees(actor)
        if encoding:
            encoded = await self._store.ask(actor["team"], self._store.registry.encoded, *question, encoding)
            return {"body": encoded.body, "truncated": encoded.truncated}
        return _table(await self._store.ask(actor["team"], self._store.registry.query, *question))

    async def usage(self, link: Link, usage: dict[str, Any], actor: dict[str, str]) -> dict[str, Any]:
        await self._journals.load()
        question = Usage(**usage), sees(actor)
        return _table(await self._store.ask(actor["team"], self._store.registry.usage, *question))

    async def lineage(self, link: Link, question: dict[str, Any], actor: dict[str, str]) -> Any:
        await self._journals.load()
        asked = Question(team=actor["team"], **question)
        return plain(await self._store.read(actor["team"], self._store.registry.lineage, asked, sees(actor)))

    async def logs(
        self, link: Link, function: str | None, call: str | None, limit: int, actor: dict[str, str]
    ) -> list[Any]:
        if function is not None:
            self._catalog.existing(function)
        await self._journals.load()
        asked = function, call, sees(actor), limit
        rows = await self._store.read(actor["team"], self._store.registry.logs, *asked)
        return [plain(row) for row in rows]

    async def log_lines(
        self, link: Link, function: str | None, call: str | None, after: int | None, limit: int, actor: dict[str, str]
    ) -> dict[str, Any]:
        """One batch of lines with their numbers; `end` when `call` has ended and this was the last of it."""
        if function is not None:
            self._catalog.existing(function)
        await self._journals.load()
        # Asked first: what a call that has ended wrote is recorded before its end.
        ended = await self._ended(call, actor)
        asked = function, call, sees(actor), after, limit
        found = await self._store.look(actor["team"], self._store.registry.lines, *asked)
        return {
            "lines": [(number, plain(row)) for number, row in found.lines],
            "after": found.after,
            "more": found.more,
            "end": None if found.more else ended,
        }

    async def _ended(self, call: str | None, actor: dict[str, str]) -> dict[str, Any] | None:
        """State and code of a call that has ended, as far as the asker sees it. Raises `NotFound`."""
        if call is None:
            return None
        found = await self._store.look(actor["team"], self._store.registry.spawned.call, call, sees(actor))
        if found is None:
            raise NotFound(f"There is no call {call}.")
        if found["state"] in ("RUNNING", "WAITING"):
            return None
        return {name: found[name] for name in ("call", "state", "code")}


def plain(row: Any) -> Any:
    """A row as it goes over a link."""
    return msgspec.to_builtins(row, enc_hook=lambda value: value.model_dump(mode="json"))


def sees(actor: dict[str, str]) -> str | None:
    """The team whose calls and logs an asker sees; None: all."""
    return None if actor["role"] == "admin" else actor["team"]


def _table(result: QueryResult) -> dict[str, Any]:
    columns = [{"name": name, "type": kind} for name, kind in result.columns]
    return {"columns": columns, "rows": result.rows, "truncated": result.truncated}
