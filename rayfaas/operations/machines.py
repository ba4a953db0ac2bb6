"""Machines that start and stop: operations on worker groups, as a client has them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from rayfaas.names import check_cluster
from rayfaas.operation import operation
from rayfaas.operations.asker import Asker, Json, list_of
from rayfaas.wire import JSON

if TYPE_CHECKING:
    from rayfaas.worker_group import WorkerGroup


class Machines(Asker):
    """`length` is a time with its unit: 90m, 2h. Changes are an admin's, because they cost; `hold` is a deployer's.

    >>> client.warm("gpu", "a10", 2, "3h")  # doctest: +SKIP
    """

    @operation
    async def groups(self, cluster: str) -> list[Json]:
        """The worker groups of a cluster, each with its `nodes`, the machines that there are or were asked for."""
        return list_of(await self._get(f"/v1/clusters/{check_cluster(cluster)}/groups"), "groups")

    @operation
    async def set_group(self, group: WorkerGroup) -> None:
        """Have a worker group, or change the one with its name; for admins."""
        path = f"/v1/clusters/{group.cluster}/groups/{group.name}"
        body = group.model_dump_json(exclude={"cluster", "name"}).encode()
        await self._transport.send("PUT", path, body=body, media=JSON)

    @operation
    async def delete_group(self, cluster: str, name: str) -> None:
        """Its machines end when nothing is on them."""
        await self._transport.send("DELETE", f"/v1/clusters/{check_cluster(cluster)}/groups/{quote(name, safe='')}")

    @operation
    async def warm(self, cluster: str, name: str, number: int, length: str) -> None:
        """Have so many machines of a group up for `length` (`2h`), whether anybody calls or not."""
        path = f"/v1/clusters/{check_cluster(cluster)}/groups/{quote(name, safe='')}/warm"
        await self._transport.post(path, {"number": number, "for": length})

    @operation
    async def hold(self, cluster: str, machine: str, length: str) -> None:
        """A machine is not stopped for `length`."""
        path = f"/v1/clusters/{check_cluster(cluster)}/machines/{quote(machine, safe='')}/hold"
        await self._transport.post(path, {"for": length})

    @operation
    async def stop(self, cluster: str, machine: str, now: bool = False) -> None:
        """Stop a machine when nothing is on it; with `now` its calls have ten minutes."""
        path = f"/v1/clusters/{check_cluster(cluster)}/machines/{quote(machine, safe='')}/stop"
        await self._transport.post(path, {"now": now})
