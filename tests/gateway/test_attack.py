"""A token of one team on every route there is: for each it is decided what keeps it from another team's things, and a
route for which nothing was decided fails here."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.applications import Starlette

from rayfaas.gateway.openapi.paths import api_paths
from tests.gateway.small import SmallGateway
from tests.gateway.test_control import ENDPOINTS, Endpoint
from tests.gateway.test_sight import BESIDES, LISTS, OF_A_CALL, OF_A_FUNCTION

_FUNCTION = "/v1/functions/{team}/{name}"
_CLUSTER = "/v1/clusters/{cluster}"

# What keeps others out, by route. `nobody`: there is nothing of a team in it. `function`, `call`, `target`: it is as
# if there were none (test_sight). `list`: it has only what the asker sees (test_sight). `asker`: the controller is
# told who asks, and answers what that team sees. `tools`: it lists what the asker sees and calls as
# `POST /call` does (mcp/test_endpoint). `team`: a team's own, refused as for a team that is not there.
# `admin`: its role. `sender`: the controller knows who sent what.
DECISIONS: dict[str, str] = {
    "GET /healthz": "nobody",
    "GET /readyz": "nobody",
    "GET /docs": "nobody",
    "GET /": "nobody",
    "GET /pages/overview.js": "nobody",
    "GET /pages/docs.js": "nobody",
    "GET /pages/access.js": "nobody",
    "GET /pages/page.css": "nobody",
    "POST /call/{target}": "function",
    "GET /calls/{call}": "call",
    "DELETE /calls/{call}": "call",
    "GET /calls/{call}/result": "call",
    "GET /calls/{call}/logs": "call",
    "GET /calls/{call}/why-miss": "call",
    "POST /calls/{call}/replay": "call",
    "POST /calls/{call}/debug": "call",
    "GET /v1/waiting": "target",
    "GET /openapi.json": "list",
    "POST /mcp": "tools",
    "GET /v1/whoami": "nobody",
    "GET /v1/status": "list",
    "GET /v1/environments": "list",
    "GET /v1/functions": "list",
    "GET /v1/teams": "list",
    "HEAD /v1/bundles/{digest}": "sender",
    "PUT /v1/bundles/{digest}": "sender",
    f"GET {_FUNCTION}": "function",
    f"DELETE {_FUNCTION}": "function",
    f"GET {_FUNCTION}/versions": "function",
    f"POST {_FUNCTION}/versions": "function",
    f"GET {_FUNCTION}/versions/{{version}}": "function",
    f"DELETE {_FUNCTION}/versions/{{version}}": "function",
    f"GET {_FUNCTION}/versions/{{version}}/bundle": "function",
    f"POST {_FUNCTION}/plan": "function",
    f"PATCH {_FUNCTION}/scaling": "function",
    f"GET {_FUNCTION}/aliases": "function",
    f"POST {_FUNCTION}/aliases/{{alias}}": "function",
    f"GET {_FUNCTION}/aliases/{{alias}}/history": "function",
    f"POST {_FUNCTION}/aliases/{{alias}}/rollback": "function",
    f"GET {_FUNCTION}/aliases/{{alias}}/canary": "function",
    f"POST {_FUNCTION}/aliases/{{alias}}/canary": "function",
    f"DELETE {_FUNCTION}/aliases/{{alias}}/canary": "function",
    f"PUT {_FUNCTION}/aliases/{{alias}}/protection": "admin",
    f"DELETE {_FUNCTION}/aliases/{{alias}}/protection": "admin",
    f"GET {_FUNCTION}/protections": "function",
    f"PUT {_FUNCTION}/schedules/{{schedule}}": "function",
    f"DELETE {_FUNCTION}/schedules/{{schedule}}": "function",
    f"POST {_FUNCTION}/schedules/{{schedule}}/suspend": "function",
    f"POST {_FUNCTION}/schedules/{{schedule}}/resume": "function",
    "GET /v1/schedules": "asker",
    f"GET {_FUNCTION}/access": "function",
    f"PUT {_FUNCTION}/access": "function",
    f"GET {_FUNCTION}/deprecation": "function",
    f"PUT {_FUNCTION}/deprecation": "function",
    f"DELETE {_FUNCTION}/deprecation": "function",
    f"PUT {_FUNCTION}/grants/{{grantee}}": "function",
    f"DELETE {_FUNCTION}/grants/{{grantee}}": "function",
    "GET /v1/artifacts": "asker",
    "GET /v1/artifacts/{team}/{name}/aliases/{alias}": "team",
    "PUT /v1/artifacts/{team}/{name}/aliases/{alias}": "team",
    "GET /v1/secrets": "asker",
    "PUT /v1/secrets/{team}/{name}": "team",
    "DELETE /v1/secrets/{team}/{name}": "team",
    "GET /v1/teams/{team}/members": "team",
    "PUT /v1/teams/{team}/members": "admin",
    "DELETE /v1/teams/{team}/members": "admin",
    "POST /v1/sql": "asker",
    "GET /v1/export/{view}": "asker",
    "GET /metrics": "asker",
    "GET /v1/usage": "asker",
    "GET /v1/lineage": "asker",
    "GET /v1/logs": "asker",
    "GET /v1/webhook": "admin",
    "GET /v1/webhook/alarms": "admin",
    "PUT /v1/webhook/alarms": "admin",
    "DELETE /v1/webhook/alarms": "admin",
    "GET /v1/tokens": "admin",
    "POST /v1/tokens": "admin",
    "DELETE /v1/tokens/{token_id}": "admin",
    "POST /v1/tokens/{token_id}/rotate": "admin",
    "GET /v1/limits": "admin",
    "PUT /v1/limits/{kind}": "admin",
    "DELETE /v1/limits/{kind}": "admin",
    "GET /v1/clusters": "nobody",
    "POST /v1/clusters": "admin",
    f"DELETE {_CLUSTER}": "admin",
    f"POST {_CLUSTER}/start": "admin",
    f"POST {_CLUSTER}/stop": "admin",
    "GET /v1/nodes": "nobody",
    "GET /v1/gateways": "nobody",
    "POST /v1/gateways": "admin",
    "DELETE /v1/gateways/{gateway}": "admin",
    "POST /v1/nodes/{node}/drain": "admin",
    f"GET {_CLUSTER}/groups": "nobody",
    f"PUT {_CLUSTER}/groups/{{group}}": "admin",
    f"DELETE {_CLUSTER}/groups/{{group}}": "admin",
    f"POST {_CLUSTER}/groups/{{group}}/warm": "admin",
    f"POST {_CLUSTER}/machines/{{machine}}/hold": "nobody",
    f"POST {_CLUSTER}/machines/{{machine}}/stop": "admin",
}
BY_ROUTE = {str(each): each for each in ENDPOINTS}
OTHERS = ("otto", "dina")


def decided(how: str) -> set[str]:
    return {route for route, decision in DECISIONS.items() if decision == how}


def endpoints(how: str) -> list[Endpoint]:
    return [each for route, each in BY_ROUTE.items() if DECISIONS.get(route) == how]


async def test_every_route_of_the_gateway_is_decided_and_no_other(gateway: SmallGateway) -> None:
    rest: Starlette = vars(gateway.app)["_rest"]
    there: set[str] = set()
    for route in rest.routes:
        each: Any = route
        methods = set(each.methods or {"GET"})
        there |= {f"{method} {each.path}" for method in (methods - {"HEAD"} or methods)}
    assert there | {"POST /call/{target}"} == set(DECISIONS)


def test_every_operation_of_the_document_is_decided() -> None:
    documented = {f"{method.upper()} {path}" for path, methods in api_paths().items() for method in methods}
    assert documented <= set(DECISIONS)


def test_functions_calls_and_lists_are_walked_where_that_is_tested() -> None:
    walked = {str(each) for each in (*OF_A_FUNCTION, *BESIDES)}
    assert decided("function") <= walked
    assert decided("call") - {"POST /calls/{call}/debug"} == {each.replace("{}", "{call}") for each in OF_A_CALL}
    assert decided("list") - {"GET /v1/teams"} == {f"GET {path}" for path in LISTS}


@pytest.mark.parametrize("who", OTHERS)
@pytest.mark.parametrize("endpoint", endpoints("admin"), ids=str)
async def test_what_is_an_admins_asks_nobody_and_tells_nothing(
    gateway: SmallGateway, endpoint: Endpoint, who: str
) -> None:
    there = await gateway.ask(endpoint.method, endpoint.url, endpoint.body, who)
    absent = endpoint.url.replace("embed", "absent").replace("nlp", "absent").replace("t1", "t2")
    answer = await gateway.ask(endpoint.method, absent, endpoint.body, who)
    assert (there.status, there.body) == (403, answer.body)
    assert gateway.controller.asked == []


@pytest.mark.parametrize("who", OTHERS)
@pytest.mark.parametrize("endpoint", endpoints("team"), ids=str)
async def test_what_is_a_teams_is_as_that_of_a_team_that_is_not_there(
    gateway: SmallGateway, endpoint: Endpoint, who: str
) -> None:
    there = await gateway.ask(endpoint.method, endpoint.url, endpoint.body, who)
    absent = await gateway.ask(endpoint.method, endpoint.url.replace("nlp", "absent"), endpoint.body, who)
    assert there.status in (403, 404)
    assert there.body.replace(b"nlp", b"absent") == absent.body
    assert gateway.controller.asked == []


@pytest.mark.parametrize("endpoint", endpoints("asker"), ids=str)
@pytest.mark.parametrize("headers", [{}, {"Rayfaas-Team": "nlp"}], ids=["", "for another team"])
async def test_questions_are_asked_for_who_asks(
    gateway: SmallGateway, endpoint: Endpoint, headers: dict[str, str]
) -> None:
    answer = await gateway.ask(endpoint.method, endpoint.url, endpoint.body, "dina", headers)
    if headers:
        assert (answer.status, gateway.controller.asked) == (403, [])
    else:
        ((_, asked),) = gateway.controller.asked
        assert asked.get("actor", asked)["team"] == "vision"


@pytest.mark.parametrize("endpoint", endpoints("sender"), ids=str)
async def test_who_sends_a_bundle_is_told_to_the_controller(gateway: SmallGateway, endpoint: Endpoint) -> None:
    await gateway.ask(endpoint.method, endpoint.url, endpoint.body, "dina")
    ((_, asked),) = gateway.controller.asked
    assert asked["actor"] == "dina"
    assert asked.get("rights", {"vision": "deployer"}) == {"vision": "deployer"}
