"""To a team that a function is not for, it is on every route as if there were no such function."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from rayfaas.gateway.call_access import Claims
from rayfaas.names import new_id
from tests.gateway.asgi import Answer
from tests.gateway.controller import version_route
from tests.gateway.small import SmallGateway
from tests.gateway.test_control import ENDPOINTS, Endpoint

CALL = "01900000-0000-7000-8000-000000000000"
CELLAR = {"team": "nlp", "name": "cellar"}
# What is asked of functions and calls besides the control plane.
BESIDES = [
    *(Endpoint("POST", "/call/{target}", f"/call/nlp/embed{end}", "invoker", b"{}") for end in ("", ":1", "@live")),
    Endpoint("POST", "/call/{target}", "/call/nlp/embed@live@2026-01-01", "invoker", b"{}"),
    Endpoint("GET", "/app/{target}", "/app/nlp/embed/x", "invoker"),
    Endpoint("GET", "/v1/logs", "/v1/logs?function=nlp/embed", "viewer"),
    Endpoint("GET", "/v1/logs", "/v1/logs?function=nlp%2Fembed&call=" + CALL, "viewer"),
]
OF_A_FUNCTION = [each for each in (*ENDPOINTS, *BESIDES) if "nlp/embed" in each.url or "nlp%2Fembed" in each.url]
OF_A_CALL = [
    "GET /calls/{}", "DELETE /calls/{}", "GET /calls/{}/result", "GET /calls/{}/logs", "GET /calls/{}/why-miss",
    "POST /calls/{}/replay",
]  # fmt: skip
LISTS = ["/v1/functions", "/v1/status", "/v1/environments", "/openapi.json"]
_TWO = ("cellar", "absent")
# Of the other team, one of each role.
OTHERS = ("otto", "dina", "vic")


@pytest.fixture
async def gateway(gateway: SmallGateway) -> SmallGateway:
    """With nlp/cellar, which is for its own team and the team `ads`."""
    await gateway.controller.set_function(
        "nlp/cellar", [version_route(1)], {"live": (1, 1), "prod": (1, 2)}, teams=["ads", "nlp"]
    )
    people = [("dina", "vision", "deployer"), ("otto", "vision", "invoker"), ("vic", "vision", "viewer")]
    people += [("ivan", "nlp", "invoker"), ("dora", "nlp", "deployer"), ("abe", "ads", "invoker")]
    await gateway.controller.set_tokens(*people, ("root", "ops", "admin"))
    of_cellar = {"call": CALL, "function": "nlp/cellar", "state": "SUCCEEDED", "spawned": True}
    gateway.controller.answers |= {
        "functions": [CELLAR, {"team": "nlp", "name": "embed"}],
        "interfaces": [{**CELLAR, "alias": "live", "version": 1, "interface": {"kind": "function"}}],
        "call": of_cellar,
        "environments": [{"application": "nlp--cellar--5ade"}, {"application": "nlp--embed--5ade"}],
        "status": {
            "scalings": {"nlp--cellar--5ade": "1 to 2", "nlp--embed--5ade": "0 to 10"},
            "clusters": [{"cluster": "local", "nodes": [], "applications": {"nlp--cellar--5ade": {"replicas": 1}}}],
            "replicas": [
                {"application": "nlp--cellar--5ade", "hosted": {"nlp/cellar:1": 1}},
                {"application": "rayfaas", "hosted": {"nlp/cellar:1": 1, "nlp/embed:1": 1}},
            ],
        },
    }
    return gateway


async def asked_of(gateway: SmallGateway, endpoint: Endpoint, name: str, who: str, headers: Any = None) -> Answer:
    url = endpoint.url.replace("embed", name)
    return await gateway.ask(endpoint.method, url, endpoint.body, who, headers)


def told(answer: Answer, name: str) -> tuple[int, bytes]:
    """Without what differs from one request to the next."""
    return answer.status, re.sub(name.encode(), b"NAME", answer.body)


@pytest.mark.parametrize("who", OTHERS)
@pytest.mark.parametrize("endpoint", OF_A_FUNCTION, ids=lambda e: f"{e.method} {e.url}")
async def test_it_is_as_one_that_does_not_exist(gateway: SmallGateway, endpoint: Endpoint, who: str) -> None:
    expected = told(await asked_of(gateway, endpoint, "absent", who), "absent")
    assert told(await asked_of(gateway, endpoint, "cellar", who), "cellar") == expected
    assert expected[0] in (403, 404)
    assert gateway.controller.asked == []  # for neither, so that the time of an answer does not tell them apart


@pytest.mark.parametrize(
    "headers",
    [{"Prefer": "respond-async"}, {"Prefer": "validate-only"}, {"Idempotency-Key": "k"}, {"Rayfaas-Priority": "high"},
     {"Content-Type": "application/x-ndjson"}, {"Accept": "text/event-stream"}, {"Rayfaas-Timeout": "1"}],
    ids=str,
)  # fmt: skip
async def test_no_way_to_call_finds_it(gateway: SmallGateway, headers: dict[str, str]) -> None:
    endpoint = BESIDES[0]
    absent = told(await asked_of(gateway, endpoint, "absent", "otto", headers), "absent")
    assert told(await asked_of(gateway, endpoint, "cellar", "otto", headers), "cellar") == absent
    assert absent[0] == 404


@pytest.mark.parametrize("target", ["nlp/{}", "nlp/{}:1", "nlp/{}@prod", "nlp/{}@prod@2026-01-01"])
async def test_what_its_calls_wait_for_is_told_to_nobody(gateway: SmallGateway, target: str) -> None:
    asked = [await gateway.ask("GET", f"/v1/waiting?target={target.format(name)}", who="otto") for name in _TWO]
    there, absent = (told(answer, name) for answer, name in zip(asked, _TWO, strict=True))
    assert there == absent
    assert there[0] == 404


@pytest.mark.parametrize("request_line", OF_A_CALL)
async def test_a_call_of_it_is_none(gateway: SmallGateway, request_line: str) -> None:
    method, _, path = request_line.format(CALL).partition(" ")
    found = await gateway.ask(method, path, who="dina")
    gateway.controller.answers["call"] = None
    none = await gateway.ask(method, path, who="dina")
    assert (found.status, found.body) == (none.status, none.body)
    assert found.status == 404
    assert {name for name, _ in gateway.controller.asked} == {"call"}


@pytest.mark.parametrize("who", OTHERS)
@pytest.mark.parametrize("path", LISTS)
async def test_it_is_on_no_list(gateway: SmallGateway, path: str, who: str) -> None:
    answer = await gateway.ask("GET", path, who=who)
    assert (answer.status, b"cellar" in answer.body) == (200, False)
    if path != "/openapi.json":
        assert b"embed" in answer.body


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("who", ["ivan", "abe", "root"])
async def test_whom_it_is_for_and_admins_see_it(gateway: SmallGateway, path: str, who: str) -> None:
    assert b"cellar" in (await gateway.ask("GET", path, who=who)).body


@pytest.mark.parametrize(("who", "target"), [("ivan", "cellar"), ("abe", "nlp/cellar")])
async def test_whom_it_is_for_calls_it(gateway: SmallGateway, who: str, target: str) -> None:
    executor = await gateway.executor(function="nlp/cellar")
    exchange = gateway.call(target=target, who=who)
    (await executor.call()).returns(1)
    assert (await exchange.answer()).status == 200


async def test_an_admin_calls_it_for_a_team_that_it_is_for(gateway: SmallGateway) -> None:
    assert (await gateway.call(target="nlp/cellar", who="root").answer()).status == 404
    executor = await gateway.executor(function="nlp/cellar")
    exchange = gateway.call(target="nlp/cellar", who="root", Rayfaas_Team="nlp")
    (await executor.call()).returns(1)
    assert (await exchange.answer()).status == 200


@pytest.mark.parametrize(("owner", "caller", "status"), [("nlp", "vision", 200), ("vision", "nlp", 404)])
async def test_a_running_call_reaches_what_its_code_may_not_what_its_caller_may(
    gateway: SmallGateway, owner: str, caller: str, status: int
) -> None:
    claims = Claims(new_id(), new_id(), "ann", caller, 2e9, None, owner)
    token = gateway.access.issue(claims)
    secret = token[token.index(b"rc_") :].decode()
    executor = await gateway.executor(function="nlp/cellar")
    exchange = gateway.call(target="nlp/cellar", who=secret)
    if status == 200:
        (await executor.call()).returns(1)
    assert (await exchange.answer()).status == status
    assert (await gateway.ask("GET", "/v1/functions/nlp/cellar", who=secret)).status == status


async def test_it_is_for_everybody_as_soon_as_that_is_said(gateway: SmallGateway) -> None:
    assert (await gateway.ask("GET", "/v1/functions/nlp/cellar", who="vic")).status == 404
    await gateway.controller.set_function("nlp/cellar", [version_route(1)], {"live": (1, 1)})
    assert (await gateway.ask("GET", "/v1/functions/nlp/cellar", who="vic")).status == 200


def test_every_route_that_names_a_function_is_walked(run_dir: Path) -> None:
    walked = {each.template for each in OF_A_FUNCTION}
    assert {each.template for each in ENDPOINTS if "{name}" in each.template} <= walked
