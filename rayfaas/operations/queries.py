"""What the registry knows: operations that ask it, as a client has them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, BinaryIO
from urllib.parse import quote

import msgspec

from rayfaas import wire
from rayfaas.graph import Direction, Graph
from rayfaas.operation import operation
from rayfaas.operations.asker import Asker, given, not_understood
from rayfaas.operations.table import Table


class Queries(Asker):
    """Answers tell of what the token's team may see.

    >>> client.sql("SELECT function, count(*) AS calls FROM calls GROUP BY ALL").dicts()  # doctest: +SKIP
    [{'function': 'nlp/embed', 'calls': 3}]
    """

    @operation
    async def sql(self, query: str, parameters: Iterable[Any] = ()) -> Table:
        """One SELECT on calls, logs, functions, versions, aliases, deploys and more; `?` stand for the parameters.

        Raises `QueryError`.
        """
        return Table.of(await self._transport.post("/v1/sql", {"sql": query, "parameters": list(parameters)}))

    @operation
    async def save_sql(self, query: str, file: BinaryIO, media: str, parameters: Iterable[Any] = ()) -> bool:
        """Write the answer to a SELECT into a file, as `text/csv` or another type that the server has. Whether there
        were more rows than it sends."""
        body = wire.encode_json({"sql": query, "parameters": list(parameters)})
        accept = {"Accept": media}
        headers = await self._transport.download("POST", "/v1/sql", file, body=body, media=wire.JSON, headers=accept)
        return bool(headers.get("Rayfaas-Truncated") == "true")

    @operation
    async def export(self, view: str, file: BinaryIO, day: str | None = None) -> int:
        """Write a view, or of calls, logs and lineage a day (2026-11-27) of it, into a file as Parquet. Its rows."""
        path = f"/v1/export/{quote(view, safe='')}"
        headers = await self._transport.download("GET", path, file, query=given(day=day), timeout_s=None)
        return int(headers.get("Rayfaas-Rows", "0"))

    @operation
    async def usage(
        self,
        function: str | None = None,
        by: Iterable[str] = ("function",),
        since: str = "30d",
        until: str = "0s",
        team: str | None = None,
        cost: bool = False,
    ) -> Table:
        """What calls came to: their number, errors, times, bytes, CPU- and GPU-seconds, of `function` or all.

        `by` groups them: function, version, alias, caller, team, owner, flow, day, … `since` and `until` are how long
        ago (90m, 12h, 30d). `team` is that of the callers. With `cost` it tells `usd`, their part of what the machines
        cost, and in rows with `idle`, which names machines, what those cost that no call held.
        """
        query = given(by=",".join(by), since=since, until=until, function=function, team=team)
        query |= {"cost": "1"} if cost else {}
        return Table.of(await self._transport.get("/v1/usage", query))

    @operation
    async def lineage(
        self,
        of: str,
        direction: Direction = "upstream",
        depth: int = 10,
        as_of: str | None = None,
        version: str | None = None,
    ) -> Graph:
        """What led to, or came of, an artifact (its URI), a call (its id) or a version of a function (`embed:3`).

        `depth` counts calls; what was recorded after `as_of`, an ISO 8601 time, does not count. `version` is the
        artifact's, the newest where none is said.

        >>> client.lineage("s3://shop/forecast.parquet").nodes  # doctest: +SKIP
        """
        query = given(of=of, direction=direction, depth=depth, as_of=as_of, version=version)
        try:
            return msgspec.convert(await self._transport.get("/v1/lineage", query), Graph)
        except msgspec.ValidationError:
            raise not_understood() from None
