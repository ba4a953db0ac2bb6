"""Roles: what a peer may ask the controller, and nothing else."""

from __future__ import annotations

from typing import cast

import pytest

from rayfaas.link import Method
from rayfaas.server.roles import methods_of

METHODS = {
    name: cast(Method, None) for name in ("sql", "join", "enter", "beat", "bundle", "status", "agent_up", "publish")
}


@pytest.mark.parametrize(
    ("role", "may"),
    [
        ("gateway", {"sql", "status", "publish"}),
        ("supervisor", {"bundle"}),
        ("agent", {"agent_up"}),
        ("newcomer", {"enter"}),
        ("node", {"beat"}),
        ("join", {"join"}),
        ("home", {"status"}),
        ("nobody", set()),
    ],
)
def test_a_role_has_its_methods_and_no_others(role: str, may: set[str]) -> None:
    assert set(methods_of(role, METHODS)) == may
