"""What the peers of the controller may ask it, by the role that they have proved to have."""

from __future__ import annotations

from collections.abc import Mapping

from rayfaas.link import Method

# A supervisor runs beside users' code: it can't publish, ask SQL or make tokens.
_ALLOWED = {
    "home": {"join_token", "status", "create_token", "backup"},
    "head": {"join_token", "head_is"},
    "join": {"join"},
    "join_gateway": {"join_gateway"},
    "newcomer": {"enter"},
    "node": {"node_up", "beat", "taken_back"},
    "agent": {"agent_up"},
    "supervisor": {"supervisor_up", "executor_ended", "leaving", "bundle"},
}
_NOT_FOR_GATEWAYS = set().union(*_ALLOWED.values()) - {"status", "create_token"}

FROM_ELSEWHERE = frozenset(("join", "join_gateway", "agent", "supervisor", "newcomer", "node"))
"""Those whom peers on other machines may have, besides gateways, whose keys are their own."""


def methods_of(role: str, methods: Mapping[str, Method]) -> dict[str, Method]:
    """Those of the controller's methods that a role may call; a gateway may call all that are nobody else's."""
    allowed = _ALLOWED.get(role, set()) if role != "gateway" else set(methods) - _NOT_FOR_GATEWAYS
    return {name: method for name, method in methods.items() if name in allowed}
