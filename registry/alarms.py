"""Alarms that are to reach a person, and the URL where they are told."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import msgspec

from rayfaas.errors import NotFound
from rayfaas.names import new_id
from rayfaas.registry.database import Database, now_us
from rayfaas.registry.rows import Row
from rayfaas.registry.statements import load

_SQL = load("alarms.sql")
_CATALOG = load("catalog.sql")


class Alarms:
    """What is raised while there is a URL waits until it was told there."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def webhook(self) -> Row | None:
        """Its `url`, who set it, how many alarms wait, and what went wrong with the last; "": nothing."""
        return next(iter(self._run("webhook")), None)

    def set_webhook(self, url: str, actor: str) -> None:
        """In place of the one before; what waits is told there."""
        with self._database.transaction():
            self._run("drop")
            self._run("set", url=url, actor=actor)
            self._audit(actor, "alarm webhook set", url)

    def drop_webhook(self, actor: str) -> None:
        """What waits is told to nobody."""
        with self._database.transaction():
            rows = self._run("drop")
            if not rows:
                raise NotFound("Alarms have no webhook. Set one: rayfaas webhook alarms URL")
            self._run("drop_waiting")
            self._audit(actor, "alarm webhook dropped", rows[0]["url"])

    def raised(self, at_us: int, cluster: str, group: str, node: str, event: str, reason: str) -> None:
        where = {"cluster": cluster, "group": group, "node": node}
        self._run("raise", alarm=new_id(), at=at_us, event=event, reason=reason, **where)

    def due(self, now: int, most: int) -> list[Row]:
        """The oldest of those that are to be told at `now`, in Unix microseconds."""
        return self._database.run(_SQL["due"], {"now": now, "most": most})

    def settle(self, alarm: str, state: str, attempts: int, next_us: int, problem: str | None) -> None:
        self._run("settle", alarm=alarm, state=state, attempts=attempts, next=next_us, problem=problem)

    def _audit(self, actor: str, action: str, url: str) -> None:
        """Without the path of the URL, which may be all that proves who sends."""
        parameters = {"now": now_us(), "actor": actor, "action": action, "subject": urlsplit(url).hostname}
        self._database.run(_CATALOG["add_audit"], {**parameters, "detail": msgspec.json.encode({}).decode()})

    def _run(self, statement: str, **parameters: Any) -> list[Row]:
        return self._database.run(_SQL[statement], {"now": now_us(), **parameters})
