"""What calls cost, of stretches of time that are over: worked out once, so that a question need not.

A stretch counts for as long as the machines of that time are known as they were then, and no call is loaded that ran in
it. All else is worked out when somebody asks, by the same SQL.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from rayfaas.registry.database import Database
from rayfaas.registry.rows import Row
from rayfaas.registry.statements import load

SQL = load("spending.sql")
STRETCH_US = 600_000_000
# No call runs longer than the longest timeout, and the grace after it.
LONGEST_US = 8 * 86_400_000_000
# Calls of a stretch that has more of them are shared out when somebody asks: to do so would hold up the registry.
MOST_CALLS = 1_000_000
_AT_ONCE = 100


class Spending:
    """Written by the one thread that writes the registry."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def unsettled(self, before_us: int, but: Collection[int] = ()) -> list[int]:
        """Where stretches begin that ended before then and are to be settled, `but` those: some, the oldest."""
        rows = self._run("unsettled", before=before_us, but=list(but), limit=_AT_ONCE, up=_up("stretches"))
        return [int(row["from_us"]) for row in rows]

    def settle(self, from_us: int) -> bool:
        """Work out what each call cost in it. False where too many calls ran: then nothing is."""
        (size,) = self._run("size", from_us=from_us, accepted=accepted(from_us))
        span = f"(SELECT {from_us} AS from_us, {from_us + STRETCH_US} AS until_us)"
        stretch = f"(SELECT {from_us} AS from_us)"
        with self._database.transaction():
            self._run("forget", from_us=from_us)
            self._run("forget_stretch", from_us=from_us)
            if size["calls"] > MOST_CALLS:
                return False
            self._run("settle", from_us=from_us, sweep=sweep(span, from_us, from_us + STRETCH_US))
            self._run("settled", up=_up(stretch))
        return True

    def forget_late(self) -> None:
        """Have the stretches not count in which calls ran that were loaded just now, in the transaction under way."""
        for late in self._run("late"):
            self._run("forget_late", **late)
            self._run("forget_late_stretches", **late)

    def forget_deleted(self, before_us: int) -> None:
        """Calls that are older were deleted."""
        self._run("forget_deleted", before=before_us)

    def _run(self, statement: str, up: str = "", sweep: str = "", **parameters: Any) -> list[Row]:
        return self._database.run(SQL[statement].format(stretch=STRETCH_US, up=up, sweep=sweep), parameters)


def accepted(since: int) -> int:
    """No call that ran then, or later, was accepted before."""
    return since - 2 * LONGEST_US  # it may have waited as long as it may run


def sweep(spans: str, since: int, until: int) -> str:
    """SQL that works out what calls cost in `spans`, all of them between `since` and `until`."""
    return SQL["sweep"].format(spans=spans, earliest=since - LONGEST_US, accepted=accepted(since), until=until)


def _up(stretches: str) -> str:
    return SQL["up"].format(stretches=stretches, stretch=STRETCH_US)


def costs(view: str, since: int, until: int, **seen: str) -> str:
    """The view `costs` of that time, which is `view` with its parts."""
    parts = {"sweep": sweep("spans", since, until), "up": _up("stretches"), "stretch": str(STRETCH_US)}
    return view.format(since=since, until=until, earliest=accepted(since), **parts, **seen)
