"""Whether machines elsewhere could be nodes of a cluster: they have to reach the controller, and the cluster's head."""

from __future__ import annotations

import asyncio

from rayfaas.address import NetworkAddress, is_loopback, parse_address, split_host_port
from rayfaas.errors import Conflict, Unavailable
from rayfaas.server.clusters import LOCAL
from rayfaas.server.fleet import Fleet

ASK_S = 30.0
# A head that was stopped is started to be asked.
START_S = 50.0
_HOW = "Start the server so that they can: rayfaas up --cluster-address HOST:8701 --head-address HOST:6379"


async def check_reach(fleet: Fleet, cluster: str, address: str) -> None:
    """`address` is the controller's for the network. Raises `Conflict` that says what to do."""
    if not address:
        raise Conflict(f"Machines elsewhere can't reach the controller, which listens on this machine only. {_HOW}")
    place = parse_address(address)
    if isinstance(place, NetworkAddress) and is_loopback(place.host):
        raise Conflict(f"Machines elsewhere can't reach the controller at {place.host}. {_HOW}")
    head = await _head(fleet, cluster)
    if is_loopback(split_host_port(head)[0]):
        raise Conflict(f"Machines elsewhere can't reach the Ray head of {cluster}, which is at {head}. {_HOW}")


async def _head(fleet: Fleet, cluster: str) -> str:
    try:
        agents = await fleet.wait_for_agents(cluster, START_S if cluster == LOCAL else 0.0)
    except asyncio.TimeoutError:
        raise Unavailable(
            f"The cluster {cluster} is not connected, so where its head is can't be asked. Try again."
        ) from None
    variables: dict[str, str] = await agents[cluster].request("head", timeout_s=ASK_S)
    return variables["RAY_ADDRESS"]
