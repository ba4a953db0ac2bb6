"""Asking a peer that may be gone, or hang."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from rayfaas.errors import RayfaasError
from rayfaas.handshake import Identity
from rayfaas.link import Link

_log = logging.getLogger("rayfaas.controller")


async def ask(link: Link, method: str, timeout_s: float, **parameters: Any) -> Any:
    """What it answers; None where it can't, or not in time, which is logged.

    held = await ask(gateway, "held", 10.0)
    """
    try:
        return await link.request(method, timeout_s=timeout_s, **parameters)
    except (RayfaasError, asyncio.TimeoutError) as error:
        _log.warning("%s did not answer %s: %s", name_of(link.peer or {}), method, str(error) or "not in time")
        return None


async def nodes_of(agent: Link, timeout_s: float) -> list[dict[str, Any]]:
    """Those of its cluster (`cluster.nodes.describe_nodes`); none where it does not say."""
    nodes: list[dict[str, Any]] | None = await ask(agent, "nodes", timeout_s)
    return nodes or []


def name_of(peer: Identity) -> str:
    """
    >>> name_of({"role": "gateway", "name": "gateway-0"})
    'gateway gateway-0'
    """
    return f"{peer.get('role')} {peer.get('name') or peer.get('replica') or peer.get('cluster') or ''}".strip()
