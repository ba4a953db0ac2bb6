"""What teams, principals and functions may use."""

from __future__ import annotations

from typing import Any

import msgspec

from rayfaas.errors import NotFound
from rayfaas.limit import Limit
from rayfaas.registry.database import Database, now_us
from rayfaas.registry.rows import Row
from rayfaas.registry.statements import load

_SQL = load("limits.sql")
_CATALOG = load("catalog.sql")
_DAY_US = 86_400_000_000


class LimitRow(msgspec.Struct, frozen=True):
    """`kind` is team, principal or function; `name` of a function is team/name."""

    kind: str
    name: str
    calls_per_s: float | None
    concurrency: int | None
    gpu_s_per_day: float | None
    weight: float


class Limits:
    """Every change is in the audit."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[LimitRow]:
        return [LimitRow(**row) for row in self._run("limits")]

    def put(self, kind: str, name: str, limit: Limit, actor: str, reason: str) -> None:
        """In place of what was set before."""
        said = limit.model_dump(mode="json")
        with self._database.transaction():
            self._run("put", kind=kind, name=name, actor=actor, **said)
            self._audit(actor, "limit set", f"{kind} {name}", {**said, "reason": reason})

    def drop(self, kind: str, name: str, actor: str, reason: str) -> None:
        with self._database.transaction():
            if not self._run("drop", kind=kind, name=name):
                raise NotFound(f"There is no limit of the {kind} {name}. `rayfaas limits` lists those there are.")
            self._audit(actor, "limit dropped", f"{kind} {name}", {"reason": reason})

    def spent(self, now: int) -> tuple[set[tuple[str, str]], int]:
        """Whose GPU time of the day (UTC) is used up at `now`, in Unix microseconds; and when the next day begins."""
        midnight = now - now % _DAY_US
        rows = self._run("spent", since=midnight)
        return {(row["kind"], row["name"]) for row in rows}, midnight + _DAY_US

    def _audit(self, actor: str, action: str, subject: str, detail: dict[str, Any]) -> None:
        parameters = {"now": now_us(), "actor": actor, "action": action, "subject": subject}
        self._database.run(_CATALOG["add_audit"], {**parameters, "detail": msgspec.json.encode(detail).decode()})

    def _run(self, statement: str, **parameters: Any) -> list[Row]:
        return self._database.run(_SQL[statement], {"now": now_us(), **parameters})
