"""What teams, principals and functions may use: operations on limits, as an admin's client has them."""

from __future__ import annotations

from urllib.parse import quote

from rayfaas.operation import operation
from rayfaas.operations.asker import Asker, Json, given, list_of, object_of


class Limiting(Asker):
    """Every change is in force on every gateway when it returns."""

    @operation
    async def limits(self) -> list[Json]:
        """`kind` is team, principal or function; what is None is not limited."""
        return list_of(await self._get("/v1/limits"), "limits")

    @operation
    async def set_limit(
        self,
        kind: str,
        name: str,
        *,
        calls_per_s: float | None = None,
        concurrency: int | None = None,
        gpu_s_per_day: float | None = None,
        weight: float = 1.0,
        message: str = "",
    ) -> Json:
        """In place of what was set before: `client.set_limit("team", "ads", calls_per_s=100)`."""
        body: Json = {"calls_per_s": calls_per_s, "concurrency": concurrency, "gpu_s_per_day": gpu_s_per_day}
        body |= {"weight": weight, "message": message}
        return object_of(await self._transport.put(_path(kind, name), body))

    @operation
    async def drop_limit(self, kind: str, name: str, message: str = "") -> None:
        """Raises `NotFound` where there is none."""
        query = given(name=name, message=message or None)
        await self._transport.send("DELETE", f"/v1/limits/{quote(kind, safe='')}", query=query)


def _path(kind: str, name: str) -> str:
    return f"/v1/limits/{quote(kind, safe='')}?name={quote(name, safe='')}"
