"""What a cluster's agent tells of what waits there for room, and of what is free."""

from __future__ import annotations

import msgspec

from rayfaas.cloud.demand import RayNode, View
from rayfaas.link import Link

ASK_S = 10.0


async def view_of(agent: Link) -> View:
    """Raises TimeoutError or a `RayfaasError` where it does not answer."""
    answer = await agent.request("view", timeout_s=ASK_S)
    nodes = tuple(msgspec.convert(each, RayNode) for each in answer["nodes"])
    return View(nodes, tuple((each, number) for each, number in answer["waiting"]))
