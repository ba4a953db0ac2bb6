"""What calls were called with, of functions that have it recorded: who may see it, and for how long."""

from __future__ import annotations

from typing import Any

import msgspec

from rayfaas.registry.database import Database
from rayfaas.registry.rows import Row, begun_us
from rayfaas.registry.statements import load

_SQL = load("arguments.sql")


class RecordedArguments:
    """`team` is whose sight it is: the function's team sees all of its calls', the caller's those that it gave itself.
    None sees all."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of_call(self, call_id: str, team: str | None) -> dict[str, Any]:
        """`arguments`, and whether they `is_cut`; empty where nothing was recorded, or is not for the team."""
        found = self._run("of_call", call=call_id, team=team, begun=begun_us(call_id))
        if not found:
            return {}
        return {"arguments": msgspec.json.decode(found[0]["arguments"]), "arguments_cut": found[0]["is_cut"]}

    def again(self, call_id: str, team: str | None) -> Row | None:
        """A call with the same arguments, as a row of `store.spawned`; None where not all of them are known."""
        found = self._run("again", call=call_id, team=team, begun=begun_us(call_id))
        return found[0] if found else None

    def purge(self, before_us: int) -> None:
        """Forget those that are older."""
        self._run("purge", before=before_us)

    def _run(self, statement: str, **parameters: Any) -> list[Row]:
        return self._database.run(_SQL[statement], parameters)
