"""Why a call was not given an earlier result: the first part in which it differs from the nearest call before it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from rayfaas.archive import Archive
from rayfaas.changes import changes
from rayfaas.definitions import changed_definitions
from rayfaas.environment import differences
from rayfaas.errors import NotFound, RayfaasError
from rayfaas.link import Link, Method
from rayfaas.names import made_ms
from rayfaas.registry.misses import LookRow
from rayfaas.registry.rows import VersionRow
from rayfaas.server.answers import plain, sees
from rayfaas.server.bundles import BundleStore
from rayfaas.server.journals import Journals
from rayfaas.server.store import Store

_MOST_NAMED = 10


class Miss(msgspec.Struct, frozen=True):
    """`part` is none (it was a hit), bypassed, expired, artifact, first, code, environment, settings, secrets,
    encoding, arguments, failed, kept or evicted; `detail` says it in a sentence. `nearest` is the call that it is
    compared with, of a hit the one whose result it was given."""

    call: str
    part: str
    detail: str
    nearest: str | None = None


class Misses:
    """`methods` are for gateways."""

    def __init__(self, store: Store, journals: Journals, bundles: BundleStore) -> None:
        self._store, self._journals, self._bundles = store, journals, bundles
        self.methods: dict[str, Method] = {"why_miss": self._why_miss}

    async def _why_miss(self, link: Link, call_id: str, actor: dict[str, str]) -> Any:
        await self._journals.load()
        team = sees(actor)
        look = await self._store.read(actor["team"], self._store.registry.misses.call, call_id, team)
        if look is None:
            raise NotFound(f"There is no call {call_id}.")
        earlier = await self._store.read(actor["team"], self._store.registry.misses.earlier, look, team)
        return plain(await self._explained(look, earlier))

    async def _explained(self, look: LookRow, earlier: Sequence[LookRow]) -> Miss:
        told = _told_by_itself(look)
        if told is not None:
            return told
        if not earlier:
            return Miss(look.call, "first", f"It is the first call of {look.function} that the cache was asked for.")
        versions = {v: await self._version(look, v) for v in {look.version, *(each.version for each in earlier)}}
        now = versions[look.version]
        nearest = max(earlier, key=lambda each: _likeness(look, now, each, versions[each.version]))
        before = versions[nearest.version]
        for part, detail in await self._differences(look, now, nearest, before):
            return Miss(look.call, part, detail, nearest.call)
        return _lost(look, nearest)

    async def _differences(
        self, look: LookRow, now: VersionRow, nearest: LookRow, before: VersionRow
    ) -> list[tuple[str, str]]:
        """Each part that differs, and how."""
        found = []
        if _code(now) != _code(before):
            found.append(("code", await asyncio.to_thread(self._code_differences, before, now)))
        if now.environment_digest != before.environment_digest:
            found.append(("environment", _environment_differences(before, now)))
        if (settings := _settings_differences(before, now)) is not None:
            found.append(("settings", settings))
        if names := await self._secrets_since(now, nearest):
            found.append(("secrets", f"The secret {', '.join(names)} was set anew since then."))
        if look.accept != nearest.accept:
            found.append(("encoding", _encoding_differences(nearest.accept, look.accept)))
        if look.arguments != nearest.arguments:
            found.append(("arguments", _argument_differences(nearest.arguments, look.arguments)))
        return found

    async def _secrets_since(self, version: VersionRow, call: LookRow) -> list[str]:
        """Those that the version names, and that were set after a call had begun."""
        if not version.spec.shape.secrets:
            return []
        rows = await self._store.query(self._store.registry.secrets.all)
        named = [row for row in rows if row.team == version.team and row.name in version.spec.shape.secrets]
        return [row.name for row in named if row.set_at.timestamp() * 1000 > made_ms(call.call)]

    def _code_differences(self, before: VersionRow, now: VersionRow) -> str:
        versions = f"between version {before.version} and {now.version}"
        try:
            old, new = (self._files(each) for each in (before, now))
        except RayfaasError as error:
            return f"The code changed {versions}. {error.detail}"
        changed = changed_definitions(old, new)
        more = [f"{len(changed) - _MOST_NAMED} more"] if len(changed) > _MOST_NAMED else []
        return f"The code of {', '.join([*changed[:_MOST_NAMED], *more])} changed {versions}."

    def _files(self, version: VersionRow) -> dict[str, bytes]:
        archive = Archive(self._bundles.get(version.bundle), version.bundle)
        return {name: archive.read(name) for name in archive.files}

    async def _version(self, look: LookRow, number: int) -> VersionRow:
        team, _, name = look.function.partition("/")
        return await self._store.query(self._store.registry.deploys.version, team, name, number)


def _told_by_itself(look: LookRow) -> Miss | None:
    """What needs no other call to be told."""
    if look.cached_from is not None:
        return Miss(look.call, "none", f"It is a hit: call {look.cached_from} computed it.", look.cached_from)
    if look.verdict is None:
        detail = "Nobody looked: the function has no cache, or the call was a stream, debugged, or of a large body."
        return Miss(look.call, "bypassed", detail)
    if look.verdict == "bypass":
        return Miss(look.call, "bypassed", "Its caller asked for a new result: Cache-Control: no-cache.")
    if look.verdict == "expired":
        return Miss(look.call, "expired", "The result that was there was older than the function's cache= says.")
    if look.verdict == "changed":
        now = f"is {look.now} now" if look.now else "can't be read now"
        return Miss(look.call, "artifact", f"{look.uri} was {look.was} when the result was made, and {now}.")
    return None


def _likeness(look: LookRow, now: VersionRow, other: LookRow, version: VersionRow) -> tuple[int, ...]:
    """How near another call is: one with the same arguments before all others; the newest of equals."""
    same = [other.arguments.get(name) == digest for name, digest in look.arguments.items()]
    parts = [
        _code(version) == _code(now),
        version.environment_digest == now.environment_digest,
        _settings_differences(version, now) is None,
        other.accept == look.accept,
    ]
    is_good = other.state == "SUCCEEDED" and other.why_not is None
    return other.arguments == look.arguments, sum(parts), sum(same) - len(other.arguments), is_good


def _lost(look: LookRow, nearest: LookRow) -> Miss:
    """All parts are the same: why is the result not there?"""
    if nearest.why_not:
        return Miss(look.call, "kept", f"The result of the equal call was not kept: {nearest.why_not}.", nearest.call)
    if nearest.state != "SUCCEEDED":
        detail = f"The equal call before it is {nearest.state}; only what succeeds is kept."
        return Miss(look.call, "failed", detail, nearest.call)
    detail = "The result was there and is not any more: it made room for others (`rayfaas up --cache-mb`)."
    return Miss(look.call, "evicted", detail, nearest.call)


def _code(version: VersionRow) -> str:
    return version.syntax_digest or version.bundle


def _environment_differences(before: VersionRow, now: VersionRow) -> str:
    if now.environment is None:
        return "The server's Python or packages are not those of then."
    return f"Its environment changed: {', '.join(differences(before.environment, now.environment))}."


def _settings_differences(before: VersionRow, now: VersionRow) -> str | None:
    """What a function may read of its declaration: where it is, its variables, the names of its secrets."""
    old, new = (
        {
            "entry": version.entry.model_dump(mode="json"),
            "env": version.spec.shape.env,
            "secrets": sorted(version.spec.shape.secrets),
        }
        for version in (before, now)
    )
    changed = [each.field for each in changes(old, new)]
    return f"Its declaration changed: {', '.join(changed)}." if changed else None


def _encoding_differences(before: str, now: str) -> str:
    return f"It asked for the result as {now or '*/*'}, the other call as {before or '*/*'}: each is kept by itself."


def _argument_differences(before: dict[str, str], now: dict[str, str]) -> str:
    names = [_name(each) for each in sorted(now.keys() | before.keys()) if now.get(each) != before.get(each)]
    return f"It was called with another {', '.join(names)}."


def _name(argument: str) -> str:
    if argument == "*":
        return "body, which is compared as a whole"
    return f"argument at place {int(argument[1:]) + 1}" if argument.startswith("*") else argument
