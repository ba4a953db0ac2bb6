"""Spawned calls: what they were asked, what they came to, who has them, and which idempotency keys are taken."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from rayfaas.errors import CallInterrupted, NotFound, to_problem
from rayfaas.names import new_id
from rayfaas.registry.arguments import RecordedArguments
from rayfaas.registry.database import Database, now_us
from rayfaas.registry.journal import is_alive
from rayfaas.registry.rows import Row, begun_us, moment
from rayfaas.registry.statements import load

_SQL = load("spawned.sql")

# How many are handed to a gateway at once.
BATCH = 500
# A reservation whose call was never kept is held for a call that is on its way.
_ON_ITS_WAY_US = 60_000_000


class Reservation(NamedTuple):
    """A call that wants an idempotency key, and the life of a gateway that has it.

    With `rerun_failed` it takes the key over from a call that failed.
    """

    team: str
    function: str
    key: str
    call: str
    gateway: str
    rerun_failed: bool = False

    @property
    def name(self) -> tuple[str, str, str]:
        """What is reserved."""
        return self.team, self.function, self.key


class SpawnedCalls:
    """`directory` is the gateways' journal, whose locks tell which of them are alive."""

    def __init__(self, database: Database, directory: Path, arguments: RecordedArguments) -> None:
        self._database, self._directory, self._arguments = database, directory, arguments

    def reserve(self, wanted: Sequence[Reservation]) -> list[str]:
        """For each, the call that has its key; from now on its own, if none has, or one that failed. All or none."""
        if not wanted:
            return []
        with self._database.transaction():
            holders = self._holders(wanted)
            failed = self._failed([holders[each.name] for each in wanted if each.rerun_failed and each.name in holders])
            for each in wanted:
                if each.rerun_failed and holders.get(each.name) in failed:
                    del holders[each.name]
                holders.setdefault(each.name, each.call)
            new = [each for each in wanted if holders[each.name] == each.call]
            if new:
                self._run("reserve", **_columns(new))
        return [holders[each.name] for each in wanted]

    def release(self, call_id: str) -> None:
        """Free the key that is reserved for a call which is not kept."""
        self._run("release", call=call_id)

    def call(self, call_id: str, team: str | None, code: str | None = None) -> dict[str, Any] | None:
        """What is known of any call, spawned or not, as far as the team may see it; of those only what code of the team
        `code` made, or that team sees itself, where such code asks."""
        begun = begun_us(call_id)
        asked = {"call": call_id, "team": team, "code": code, "begun": begun, "parents_begun": 0 if code else begun}
        found = self._run("spawned_call", **asked) or self._run("call", **asked)
        if not found:
            return None
        row = found[0]
        times = {"accepted_at": row.pop("accepted_us"), "ended_at": row.pop("ended_us")}
        return row | {name: moment(us).isoformat() if us is not None else None for name, us in times.items()}

    def kept(self, call_id: str) -> dict[str, Any] | None:
        """`content_type` and `body`, in base64, of what a spawned call was asked."""
        return next(iter(self._run("kept", call=call_id)), None)

    def outcome(self, call_id: str) -> dict[str, Any] | None:
        """`content_type`, `body` and `problem` of a spawned call that has ended."""
        found = self._run("outcome", call=call_id)
        if not found:
            return None
        row = found[0]
        return {
            "content_type": row["result_type"] or "",
            "body": base64.b64decode(row["result"] or ""),
            "problem": msgspec.json.decode(row["problem"]) if row["problem"] else None,
        }

    def abandoned(self) -> list[Row]:
        """Some of those that no living gateway has. Those that may run once only, and began, are settled instead."""
        for row in self._run("gateways"):
            if not is_alive(self._directory, row["gateway"]):
                return self._runnable(self._waiting(row["gateway"], now_us()))
        return []

    def lost(self, gateway: str, held: set[str], before_us: int) -> list[Row]:
        """Those that a living gateway was given before then, and does not know of."""
        waiting = [row for row in self._waiting(gateway, before_us) if row["call"] not in held]
        return self._runnable(waiting)

    def assign(self, calls: list[str], gateway: str) -> None:
        with self._database.transaction():
            for call in calls:
                self._run("assign", call=call, gateway=gateway)

    def abandoned_ends(self) -> list[Row]:
        """Some of the ends whose webhooks were not told, and which no living gateway has."""
        for row in self._run("untold_gateways"):
            if not is_alive(self._directory, row["gateway"]):
                return self._untold(row["gateway"], now_us())
        return []

    def lost_ends(self, gateway: str, telling: set[str], before_us: int) -> list[Row]:
        """Ends that this gateway has to tell, and does not know of."""
        return [row for row in self._untold(gateway, before_us) if row["call"] not in telling]

    def original(self, call_id: str, team: str, sees: str | None) -> Row:
        """What a call was asked, for `team` to ask again: its end is told where that of the old one is, if that was the
        same team's. It may be in the archive, so it is not for the writer's thread. Raises `NotFound`.

        `sees` is the team whose sight it is, None for all: of calls that were not spawned it must see the arguments."""
        kept = self._run("original", call=call_id, team=team)
        found = kept[0] if kept else self._arguments.again(call_id, sees)
        if found is None:
            raise NotFound(
                "Only spawned calls, and those whose arguments were recorded whole, can be run again. "
                "See `record_arguments` of @rayfaas.function."
            )
        return found

    def again(self, original: Row, call_id: str, principal: str, team: str) -> str:
        """A new spawned call of what an old one was asked; no gateway has it yet."""
        made = new_id()
        self._run("add", call=made, parent=call_id, principal=principal, team=team, gateway="replay", **original)
        return made

    def purge(self, at_us: int, keep_s: float) -> None:
        """Forget the arguments and results of what was settled so long before then, or as long as its version says."""
        with self._database.transaction():
            for statement in ("expire", "purge_spawned", "purge_settled", "purge_told", "purge_keys"):
                self._run(statement, at=at_us, keep_s=keep_s)

    def _holders(self, wanted: Sequence[Reservation]) -> dict[tuple[str, str, str], str]:
        """The calls that have some of the keys already, by the keys' names."""
        rows = self._run("reserved", **_columns(wanted))
        on_their_way = [row for row in rows if now_us() - row["reserved_us"] < _ON_ITS_WAY_US]
        living = {gateway for gateway in {r["gateway"] for r in on_their_way} if is_alive(self._directory, gateway)}
        on_their_way = [row for row in on_their_way if row["gateway"] in living]
        holding = [row for row in rows if row["is_kept"]] + on_their_way
        return {(row["team"], row["function"], row["key"]): row["call"] for row in holding}

    def _failed(self, calls: list[str]) -> set[str]:
        """Those of them that have ended, and not well."""
        return {row["call"] for row in self._run("failed", calls=calls)} if calls else set()

    def _waiting(self, gateway: str, before_us: int) -> list[Row]:
        return self._run("waiting", gateway=gateway, before=before_us, limit=BATCH)

    def _untold(self, gateway: str, before_us: int) -> list[Row]:
        return self._run("untold", gateway=gateway, before=before_us, limit=BATCH)

    def _runnable(self, rows: list[Row]) -> list[Row]:
        runnable = []
        for row in rows:
            if row.pop("is_begun_once"):
                self._interrupt(row["call"])
            else:
                runnable.append(row)
        return runnable

    def _interrupt(self, call_id: str) -> None:
        error = CallInterrupted(
            "It was running when its gateway died. It has an idempotency key, so it is not run again by itself; "
            "`rayfaas replay` does so.",
            call=call_id,
        )
        self._run("interrupt", call=call_id, problem=msgspec.json.encode(to_problem(error)).decode())

    def _run(self, statement: str, **parameters: Any) -> list[Row]:
        return self._database.run(_SQL[statement], {"now": now_us(), **parameters})


def _columns(wanted: Sequence[Reservation]) -> dict[str, list[str]]:
    return {field: [getattr(each, field) for each in wanted] for field in Reservation._fields}
