"""Spawned calls, as the controller keeps them: every one that is not settled is with a gateway that lives."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from rayfaas.config import KEEP_RESULTS_S
from rayfaas.handshake import Identity
from rayfaas.link import Link, Method
from rayfaas.registry.spawned import Reservation
from rayfaas.server.asking import ask
from rayfaas.server.journals import Journals
from rayfaas.server.looking import look_every
from rayfaas.server.reservations import Reservations
from rayfaas.server.store import Store

_log = logging.getLogger("rayfaas.controller")

LOOK_S = 1.0
# Every so many looks, gateways are asked what they hold.
_COMPARE = 10
# What was accepted in the last seconds may be on its way.
_YOUNG_US = 5_000_000
PURGE_S = 600.0
# How long a gateway may take to answer. What one that hangs was given it is given again when it does not know of it.
ASK_S = 10.0

Gateways = Callable[[], Mapping[Link, Identity]]


class Spawned:
    """`methods` are for gateways. What a call came to is kept for `keep_s`, where no function says how long."""

    def __init__(self, store: Store, journals: Journals, gateways: Gateways, keep_s: float = KEEP_RESULTS_S) -> None:
        self._store, self._journals, self._gateways, self._keep_s = store, journals, gateways, keep_s
        self._reservations = Reservations(store, journals)
        self._purged_at = 0.0
        self.methods: dict[str, Method] = {
            "reserve": self._reserve,
            "release": self._release,
            "call": self._call,
            "kept": self._kept,
            "outcome": self._outcome,
            "replay": self._replay,
            "cancel_call": self._cancel_call,
            "type": self._type,
        }

    async def keep_looking(self) -> None:
        looks = itertools.count(1)
        await look_every(LOOK_S, lambda: self._look(next(looks)), "spawned calls could not be looked after")

    async def _look(self, count: int) -> None:
        await self.hand_out()
        await self._hand_out_ends()
        if count % _COMPARE == 0:
            await self._compare()
        await self._purge()

    # For gateways

    async def _reserve(
        self, link: Link, team: str, function: str, key: str, call_id: str, gateway: str, rerun_failed: bool = False
    ) -> str:
        return await self._reservations.make(Reservation(team, function, key, call_id, gateway, rerun_failed))

    async def _release(self, link: Link, call_id: str) -> None:
        """The call could not be kept: its key is free again, unless it is on disk after all."""
        await self._journals.load()
        await self._store.write(self._store.registry.spawned.release, call_id)

    async def _call(self, link: Link, call_id: str, actor: dict[str, str]) -> dict[str, Any] | None:
        await self._journals.load()
        team = None if actor["role"] == "admin" else actor["team"]
        registry, code = self._store.registry, actor.get("code")
        found = await self._store.look(actor["team"], registry.spawned.call, call_id, team, code)
        if found is None:
            return None
        return found | await self._store.look(actor["team"], registry.arguments.of_call, call_id, team)

    async def _kept(self, link: Link, call_id: str) -> dict[str, Any] | None:
        await self._journals.load()
        return await self._store.query(self._store.registry.spawned.kept, call_id)

    async def _outcome(self, link: Link, call_id: str) -> dict[str, Any] | None:
        await self._journals.load()
        return await self._store.query(self._store.registry.spawned.outcome, call_id)

    async def _replay(self, link: Link, call_id: str, actor: dict[str, str]) -> dict[str, str]:
        await self._journals.load()
        spawned, sees = self._store.registry.spawned, None if actor["role"] == "admin" else actor["team"]
        original = await self._store.query(spawned.original, call_id, actor["team"], sees)
        made = await self._store.write(spawned.again, original, call_id, actor["principal"], actor["team"])
        await self.hand_out()
        return {"call": made}

    async def _cancel_call(self, link: Link, call_id: str) -> None:
        for gateway in self._gateways():
            gateway.notify("cancel", call_id=call_id)

    async def _type(self, link: Link, call_id: str, line: str) -> None:
        """Into the debugger of a call that is at another gateway than the request."""
        for gateway in self._gateways():
            gateway.notify("type", call_id=call_id, line=line)

    # Keeping

    async def hand_out(self) -> None:
        """Give what no living gateway has to one that lives."""
        while self._gateways():
            rows = await self._store.write(self._store.registry.spawned.abandoned)
            if not rows:
                return
            link, peer = min(self._gateways().items(), key=lambda item: str(item[1]["instance"]))
            calls = [row["call"] for row in rows]
            await self._store.write(self._store.registry.spawned.assign, calls, peer["instance"])
            await self._give(link, str(peer["instance"]), rows)

    async def _compare(self) -> None:
        """A gateway that was given calls, and does not know of them, is given them again."""
        for link, peer in list(self._gateways().items()):
            asked_us = time.time_ns() // 1000
            held = await ask(link, "held", ASK_S)
            if held is None:
                continue
            await self._journals.load()
            lost = self._store.registry.spawned.lost
            rows = await self._store.write(lost, str(peer["instance"]), set(held), asked_us - _YOUNG_US)
            if rows:
                await self._give(link, str(peer["instance"]), rows)
            await self._compare_ends(link, str(peer["instance"]), asked_us - _YOUNG_US)

    async def _hand_out_ends(self) -> None:
        """Have a gateway that lives tell the webhooks which those that are gone had to."""
        while self._gateways():
            rows = await self._store.write(self._store.registry.spawned.abandoned_ends)
            if not rows:
                return
            link, peer = min(self._gateways().items(), key=lambda item: str(item[1]["instance"]))
            calls = [row["call"] for row in rows]
            await self._store.write(self._store.registry.spawned.assign, calls, peer["instance"])
            await ask(link, "tell", ASK_S, ends=rows)

    async def _compare_ends(self, link: Link, gateway: str, before_us: int) -> None:
        telling = await ask(link, "telling", ASK_S)
        if telling is None:
            return
        await self._journals.load()
        lost = await self._store.write(self._store.registry.spawned.lost_ends, gateway, set(telling), before_us)
        if lost:
            await ask(link, "tell", ASK_S, ends=lost)

    async def _give(self, link: Link, gateway: str, rows: list[dict[str, Any]]) -> None:
        _log.info("%d spawned calls go to %s", len(rows), gateway)
        await ask(link, "resume", ASK_S, jobs=[{**row, "k": "spawned", "gateway": gateway} for row in rows])

    async def _purge(self) -> None:
        if time.monotonic() - self._purged_at > PURGE_S or not self._purged_at:
            self._purged_at = time.monotonic()
            await self._store.write(self._store.registry.spawned.purge, time.time_ns() // 1000, self._keep_s)
