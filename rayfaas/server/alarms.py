"""Alarms on their way to a person: each is handed to a gateway, which can reach what is outside, until it was heard."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from rayfaas.errors import Forbidden, RayfaasError
from rayfaas.handshake import Identity
from rayfaas.link import Link, Method
from rayfaas.server.looking import look_every
from rayfaas.server.store import Store

_log = logging.getLogger("rayfaas.controller")

LOOK_S = 1.0
# Seconds before each further attempt, as for other webhooks.
PAUSES_S = (1.0, 5.0, 30.0, 120.0, 600.0, 3600.0, 21_600.0)
_AT_ONCE = 8
# A gateway gives up sooner.
_TELL_S = 30.0


class Alarms:
    """`methods` are for gateways, which ask on behalf of admins. How far each alarm is stands in the registry."""

    def __init__(
        self, store: Store, gateways: Callable[[], Mapping[Link, Identity]], now: Callable[[], float] = time.time
    ) -> None:
        self._store, self._gateways, self._now = store, gateways, now
        self._alarms = store.registry.alarms
        self._url: str | None = None
        self.methods: dict[str, Method] = {
            "alarm_webhook": self._webhook,
            "set_alarm_webhook": self._set,
            "drop_alarm_webhook": self._drop,
        }

    async def read(self) -> None:
        found = await self._store.write(self._alarms.webhook)
        self._url = None if found is None else found["url"]

    async def keep_looking(self) -> None:
        await look_every(LOOK_S, self.look, "alarms could not be told")

    async def look(self) -> None:
        """Tell what is due, if there is somebody to tell it and somebody to hear it."""
        if self._url is None or not self._gateways():
            return
        due = await self._store.query(self._alarms.due, int(self._now() * 1e6), _AT_ONCE)
        await asyncio.gather(*(self._tell(self._url, alarm) for alarm in due))

    async def _tell(self, url: str, alarm: dict[str, Any]) -> None:
        attempts = alarm.pop("attempts") + 1
        link = next(iter(self._gateways()), None)
        if link is None:
            return
        is_over = attempts > len(PAUSES_S)
        try:
            problem = await link.request("tell_alarm", url=url, alarm=alarm, timeout_s=_TELL_S)
        except Forbidden as error:
            problem, is_over = error.detail, True
        except (RayfaasError, asyncio.TimeoutError):
            return  # the gateway is gone: another tells it
        state = "DELIVERED" if problem is None else "FAILED" if is_over else "WAITING"
        if state == "FAILED":
            _log.error("the alarm %s of %s could not be told: %s", alarm["event"], alarm["node"], problem)
        pause_s = PAUSES_S[min(attempts, len(PAUSES_S)) - 1]
        next_us = int((self._now() + pause_s) * 1e6)
        await self._store.write(self._alarms.settle, alarm["alarm"], state, attempts, next_us, problem)

    # For gateways

    async def _webhook(self, link: Link) -> dict[str, Any]:
        found = await self._store.query(self._alarms.webhook)
        return found or {"url": None, "set_by": None, "waiting": 0, "problem": None}

    async def _set(self, link: Link, url: str, actor: str) -> None:
        await self._store.write(self._alarms.set_webhook, url, actor)
        self._url = url

    async def _drop(self, link: Link, actor: str) -> None:
        await self._store.write(self._alarms.drop_webhook, actor)
        self._url = None
