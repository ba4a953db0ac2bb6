"""What the cache did with a call, and with those before it that it may have been given the result of."""

from __future__ import annotations

from typing import Any

import msgspec

from rayfaas.registry.database import Database
from rayfaas.registry.rows import Row, begun_us
from rayfaas.registry.statements import load

_SQL = load("misses.sql")

# How many earlier calls are looked at.
MOST_EARLIER = 1_000


class LookRow(msgspec.Struct, frozen=True):
    """A call, and what a look into the cache came to: `verdict` is None where nobody looked, or where it was a hit.

    `arguments` are digests by name. `why_not` says why its result was not kept; `uri`, `was` and `now` which artifact
    had changed.
    """

    call: str
    function: str
    version: int
    method: str | None
    state: str
    cached_from: str | None
    verdict: str | None
    accept: str
    arguments: dict[str, str]
    uri: str | None
    was: str | None
    now: str | None
    why_not: str | None

    @classmethod
    def from_row(cls, row: Row) -> LookRow:
        arguments = msgspec.json.decode(row["arguments"] or "{}")
        return cls(**{**row, "accept": row["accept"] or "", "arguments": arguments})


class Misses:
    """May be asked from several threads at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def call(self, call_id: str, team: str | None) -> LookRow | None:
        """As far as `team` may see it."""
        found = self._run("call", call=call_id, team=team, begun=begun_us(call_id))
        return LookRow.from_row(found[0]) if found else None

    def earlier(self, look: LookRow, team: str | None) -> list[LookRow]:
        """Those of the same function that were computed before it, the newest first."""
        asked = {"call": look.call, "function": look.function, "method": look.method, "limit": MOST_EARLIER}
        return [LookRow.from_row(row) for row in self._run("earlier", team=team, **asked)]

    def _run(self, statement: str, **parameters: Any) -> list[Row]:
        return self._database.run(_SQL[statement], parameters)
