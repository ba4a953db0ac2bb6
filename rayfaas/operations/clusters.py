"""What runs where: operations on clusters, their nodes, and gateways, as a client has them."""

from __future__ import annotations

from rayfaas.names import check_cluster, check_gateway, check_node
from rayfaas.operation import operation
from rayfaas.operations.asker import Asker, Json, list_of, object_of


class Clusters(Asker):
    """Whoever has a token may look; changes are an admin's.

    >>> [node["node"] for node in client.nodes()]  # doctest: +SKIP
    """

    @operation
    async def status(self) -> Json:
        """What runs: the gateways, the clusters with their nodes, the replicas with what they host."""
        return await self._get("/v1/status")

    @operation
    async def environments(self) -> list[Json]:
        """What is built on each node, and what the zygotes there have loaded."""
        return list_of(await self._get("/v1/environments"), "environments")

    @operation
    async def clusters(self) -> list[Json]:
        """Every cluster that has joined, and whether it is connected."""
        return list_of(await self._get("/v1/clusters"), "clusters")

    @operation
    async def invite(self, cluster: str | None = None) -> Json:
        """A `token` with which a cluster can join, once, within `expires_in_s`; for admins."""
        body = {} if cluster is None else {"cluster": check_cluster(cluster)}
        return object_of(await self._transport.post("/v1/clusters", body))

    @operation
    async def remove_cluster(self, cluster: str, now: bool = False) -> None:
        """Returns when its calls have finished and it is not known any more; with `now` they are cut."""
        path = f"/v1/clusters/{check_cluster(cluster)}"
        await self._transport.send("DELETE", path, query={"now": "true"} if now else None, timeout_s=None)

    @operation
    async def start_cluster(self, cluster: str, length: str) -> None:
        """Have a cluster up for `length` (`2h`), head and all, whether anybody calls or not."""
        await self._transport.post(f"/v1/clusters/{check_cluster(cluster)}/start", {"for": length})

    @operation
    async def stop_cluster(self, cluster: str, now: bool = False) -> None:
        """Stop a cluster's machines and its head; who calls starts them again. Raises `Conflict` where it is in use,
        unless `now`: then its calls have ten minutes."""
        await self._transport.post(f"/v1/clusters/{check_cluster(cluster)}/stop", {"now": now})

    @operation
    async def nodes(self) -> list[Json]:
        """The nodes of all clusters that are connected."""
        return list_of(await self._get("/v1/nodes"), "nodes")

    @operation
    async def drain_node(self, node: str) -> Json:
        """Have everything leave a node, in order. `node` is its id, or its beginning."""
        return object_of(await self._transport.post(f"/v1/nodes/{check_node(node)}/drain", {}))

    @operation
    async def gateways(self) -> list[Json]:
        """Those that are connected, and those of other machines that are away."""
        return list_of(await self._get("/v1/gateways"), "gateways")

    @operation
    async def invite_gateway(self, gateway: str | None = None) -> Json:
        """A `token` with which a gateway on another machine can join, once, within `expires_in_s`; for admins."""
        body = {} if gateway is None else {"gateway": check_gateway(gateway)}
        return object_of(await self._transport.post("/v1/gateways", body))

    @operation
    async def remove_gateway(self, gateway: str) -> None:
        """A gateway of another machine is not let in any more."""
        await self._transport.send("DELETE", f"/v1/gateways/{check_gateway(gateway)}")
