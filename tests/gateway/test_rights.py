"""Who may: a role includes those below it, and only admins change what is another team's."""

from __future__ import annotations

import hashlib

import pytest
from starlette.requests import Request

from rayfaas.errors import Forbidden, Unauthenticated
from rayfaas.gateway.call_access import CallAccess
from rayfaas.gateway.rights import actor_of, allow
from rayfaas.gateway.routes import Routes
from rayfaas.gateway.snapshot import Changes, TokenRoute
from rayfaas.roles import ROLES

ROUTES = Routes(CallAccess(b"the key of a home", ""))
ROUTES.apply(
    Changes(1, [], [TokenRoute(hashlib.sha256(role.encode()).hexdigest(), "ann", "nlp", role, None) for role in ROLES])
)


def request(secret: str | None) -> Request:
    headers = [(b"authorization", f"Bearer {secret}".encode())] if secret is not None else []
    return Request({"type": "http", "headers": headers})


@pytest.mark.parametrize("has", ROLES)
@pytest.mark.parametrize("needs", ROLES)
def test_a_role_may_what_those_below_it_may(has: str, needs: str) -> None:
    if ROLES.index(has) >= ROLES.index(needs):
        assert allow(ROUTES, request(has), needs).role == has
    else:
        with pytest.raises(Forbidden, match=f"needs the role {needs}"):
            allow(ROUTES, request(has), needs)


@pytest.mark.parametrize("role", ROLES[:-1])
def test_another_teams_things_are_not_to_be_changed(role: str) -> None:
    with pytest.raises(Forbidden, match="not its to change"):
        allow(ROUTES, request(role), "viewer", "vision")
    assert allow(ROUTES, request(role), "viewer", "nlp").team == "nlp"


def test_an_admin_may_for_every_team() -> None:
    assert allow(ROUTES, request("admin"), "deployer", "vision").name == "ann"


@pytest.mark.parametrize("secret", [None, "", "nobody", "ädmin"])
def test_who_is_not_known_may_nothing(secret: str | None) -> None:
    with pytest.raises(Unauthenticated):
        allow(ROUTES, request(secret), "viewer")


def test_the_controller_is_told_who_asks() -> None:
    actor = actor_of(allow(ROUTES, request("deployer"), "viewer"))
    assert actor == {"principal": "ann", "team": "nlp", "role": "deployer"}
