"""What a cluster's agent tells of what waits there for room, and of what is free."""

from __future__ import annotations

import logging

import msgspec

from rayfaas.cloud.demand import RayNode, View
from rayfaas.link import Link
from rayfaas.server.asking import ask, name_of

_log = logging.getLogger("rayfaas.controller")

ASK_S = 10.0


async def view_of(agent: Link) -> View | None:
    """None where it tells of nothing that is understood, which is logged: no other cluster is to suffer from it."""
    answer = await ask(agent, "view", ASK_S)
    if answer is None:
        return None
    try:
        nodes = tuple(msgspec.convert(each, RayNode) for each in answer["nodes"])
        return View(nodes, tuple((each, number) for each, number in answer["waiting"]))
    except (LookupError, TypeError, ValueError, msgspec.ValidationError) as error:
        _log.warning("what %s tells of its nodes is not understood: %s", name_of(agent.peer or {}), error)
        return None
