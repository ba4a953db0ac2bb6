"""Tokens: for one team or several, for named functions, rotated, revoked; and what each kind of them may."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from tests.gateway.controller import token_route, version_route
from tests.gateway.small import PEOPLE, SmallGateway
from tests.gateway.test_control import ENDPOINTS, FUNCTION, Endpoint

NARROW = ("nlp/embed",)
# What a token for named functions may, by the role that it needs; of other functions it may nothing.
BY_ITS_FUNCTION = (
    "/v1/functions/{team}/{name}",
    "/v1/bundles/{digest}",
    "/v1/whoami",
    "/v1/functions",
    "/v1/status",
    "/v1/environments",
)


async def let_in(gateway: SmallGateway, name: str, teams: dict[str, str], functions: tuple[str, ...] | None) -> None:
    """`name` is its own token."""
    team, role = next(iter(teams.items()))
    known = [token_route(*each) for each in PEOPLE]
    made = {**token_route(name, team, role), "teams": teams, "functions": functions}
    await gateway.controller.table.applied(await gateway.controller.table.set_tokens([*known, made]))


async def make(gateway: SmallGateway, body: bytes) -> dict[str, Any]:
    gateway.controller.answers["create_token"] = {"id": "t1", "token": "s3cret"}
    answer = await gateway.ask("POST", "/v1/tokens", body, "ada")
    assert (answer.status, answer.json()) == (201, {"id": "t1", "token": "s3cret"})
    return gateway.controller.asked_for("create_token")


async def test_a_token_is_made_for_who_asks_unless_said_otherwise(gateway: SmallGateway) -> None:
    scope = {"teams": {"nlp": "invoker"}, "functions": None}
    assert await make(gateway, b"{}") == {
        "principal": "ada", "team": "nlp", "role": "invoker", "scope": scope, "name": None, "expires_in_s": None,
        "actor": "ada", "reason": "",
    }  # fmt: skip
    body = b'{"principal": "bob", "team": "vision", "role": "viewer", "expires_in_s": 60, "name": "lab"}'
    assert await make(gateway, body) == {
        "principal": "bob", "team": "vision", "role": "viewer", "scope": {"teams": {"vision": "viewer"},
        "functions": None}, "name": "lab", "expires_in_s": 60, "actor": "ada", "reason": "",
    }  # fmt: skip


async def test_a_token_is_for_several_teams_or_all_and_for_named_functions(gateway: SmallGateway) -> None:
    body = b'{"teams": {"vision": "viewer", "nlp": "admin"}, "functions": ["nlp/embed"]}'
    asked = await make(gateway, body)
    assert (asked["team"], asked["role"]) == ("vision", "viewer")
    assert asked["scope"] == {"teams": {"vision": "viewer", "nlp": "admin"}, "functions": ["nlp/embed"]}
    assert (await make(gateway, b'{"all": true}'))["scope"] == {"teams": None, "functions": None}


@pytest.mark.parametrize(
    "body",
    [
        '{"role": "owner"}', '{"role": ""}', '{"role": null}', '{"role": ["admin"]}', '{"role": "Admin"}',
        '{"expires_in_s": 0}', '{"expires_in_s": -1}', '{"expires_in_s": "60"}', '{"expires_in_s": [1]}',
        '{"team": ".."}', '{"team": "NLP"}', '{"team": ["nlp"]}', '{"team": "a b"}',
        '{"principal": ""}', '{"principal": 1}', '{"principal": "a\\u0000b"}',
        '{"teams": {}}', '{"teams": ["nlp"]}', '{"teams": {"nlp": "owner"}}', '{"teams": {"..": "viewer"}}',
        '{"teams": {"nlp": "viewer"}, "role": "admin"}', '{"all": 1}', '{"all": true, "team": "nlp"}',
        '{"functions": []}', '{"functions": "nlp/embed"}', '{"functions": ["embed"]}', '{"functions": [1]}',
        '{"functions": ["nlp/embed:1"]}', '{"name": ""}', '{"name": "a b"}', '{"name": 1}',
        '{"name": "0198aaaa-aaaa-7aaa-8aaa-aaaaaaaaaaaa"}',
    ],
)  # fmt: skip
async def test_a_token_of_no_role_team_time_function_or_name_is_not_made(gateway: SmallGateway, body: str) -> None:
    answer = await gateway.ask("POST", "/v1/tokens", body.encode(), "ada")
    assert (answer.status, answer.code, gateway.controller.asked) == (400, "bad_request", [])


async def test_a_token_is_revoked_or_rotated_by_its_id_or_name(gateway: SmallGateway) -> None:
    answer = await gateway.ask("DELETE", "/v1/tokens/t1?message=leaked", who="ada")
    assert (answer.status, answer.body) == (204, b"")
    assert gateway.controller.asked_for("revoke_token") == {"token_id": "t1", "actor": "ada", "reason": "leaked"}
    body = b'{"overlap_s": 60, "message": "each quarter"}'
    answer = await gateway.ask("POST", "/v1/tokens/lab/rotate", body, who="ada")
    assert answer.status == 201
    assert gateway.controller.asked_for("rotate_token") == {
        "token": "lab", "overlap_s": 60, "expires_in_s": None, "actor": "ada", "reason": "each quarter",
    }  # fmt: skip


# Of several teams


async def test_it_calls_for_its_first_team_or_the_one_that_it_says_and_for_no_other(gateway: SmallGateway) -> None:
    await let_in(gateway, "sam", {"vision": "viewer", "nlp": "invoker"}, None)
    executor = await gateway.executor()
    executor.answers(lambda call: call.returns(call.header.team))
    assert (await gateway.call(target="nlp/embed", who="sam").answer()).code == "forbidden"
    assert (await gateway.call(who="sam", Rayfaas_Team="nlp").answer()).json() == "nlp"
    refused = await gateway.call(target="nlp/embed", who="sam", Rayfaas_Team="ops").answer()
    assert (refused.status, refused.code) == (403, "forbidden")
    assert "'vision', 'nlp'" in refused.json()["detail"]
    assert [start.team for start in gateway.starts()] == ["nlp"]


async def test_it_changes_the_functions_of_each_team_as_its_role_there_says(gateway: SmallGateway) -> None:
    await let_in(gateway, "sam", {"vision": "viewer", "nlp": "deployer"}, None)
    moved = await gateway.ask("POST", f"{FUNCTION}/aliases/prod", b'{"version": 1}', "sam")
    assert moved.status == 200
    assert gateway.controller.asked_for("move_alias")["rights"] == {"vision": "viewer", "nlp": "deployer"}
    await let_in(gateway, "sam", {"vision": "deployer", "nlp": "viewer"}, None)
    refused = await gateway.ask("POST", f"{FUNCTION}/aliases/prod", b'{"version": 1}', "sam")
    assert (refused.status, refused.code) == (403, "forbidden")


async def test_it_asks_for_one_team_at_a_time(gateway: SmallGateway) -> None:
    await let_in(gateway, "sam", {"vision": "viewer", "nlp": "invoker"}, None)
    query = b'{"sql": "SELECT 1"}'
    for headers, team in (({}, "vision"), ({"Rayfaas-Team": "nlp"}, "nlp")):
        await gateway.ask("POST", "/v1/sql", query, "sam", headers)
        assert gateway.controller.asked_for("sql")["actor"]["team"] == team
    assert (await gateway.ask("POST", "/v1/sql", query, "sam", {"Rayfaas-Team": "ops"})).status == 403
    who = (await gateway.ask("GET", "/v1/whoami", who="sam", headers={"Rayfaas-Team": "nlp"})).json()
    assert (who["team"], who["role"], who["teams"]) == ("nlp", "invoker", {"vision": "viewer", "nlp": "invoker"})


async def test_it_sees_what_is_for_any_of_its_teams(gateway: SmallGateway) -> None:
    await gateway.controller.set_function("nlp/cellar", [version_route(1)], {"live": (1, 1)}, teams=["nlp"])
    await let_in(gateway, "sam", {"vision": "viewer", "nlp": "viewer"}, None)
    assert (await gateway.ask("GET", "/v1/functions/nlp/cellar", who="sam")).status == 200
    assert (await gateway.ask("GET", "/v1/functions/nlp/cellar", who="otto")).status == 404


# Of named functions


async def test_it_calls_those_and_to_it_there_are_no_others(gateway: SmallGateway) -> None:
    await gateway.controller.set_function("nlp/other", [version_route(1)], {"live": (1, 1)})
    await let_in(gateway, "ci", {"nlp": "deployer"}, NARROW)
    (await gateway.executor()).answers(lambda call: call.returns(1))
    assert (await gateway.call(who="ci").answer()).status == 200
    known = await gateway.call(target="other", who="ci").answer()
    absent = await gateway.call(target="absent", who="ci").answer()
    assert (known.status, known.body.replace(b"other", b"absent")) == (404, absent.body)
    assert (await gateway.ask("GET", "/v1/functions/nlp/other", who="ci")).status == 404


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=str)
@pytest.mark.parametrize("role", ["deployer", "admin"])
async def test_it_may_nothing_that_is_not_of_its_functions(
    gateway: SmallGateway, endpoint: Endpoint, role: str
) -> None:
    """Also where its role would: a route without a decision for it refuses it."""
    gateway.controller.events = [{"event": "live"}]
    await let_in(gateway, "ci", {"nlp": role}, NARROW)
    answer = await gateway.ask(endpoint.method, endpoint.url, endpoint.body, "ci")
    is_of_it = endpoint.template.startswith(BY_ITS_FUNCTION) and endpoint.role != "admin"
    assert (answer.status != 403) == is_of_it, answer.body
    of_another = await gateway.ask(endpoint.method, endpoint.url.replace("embed", "other"), endpoint.body, "ci")
    if "{name}" in endpoint.template:
        assert of_another.status in (403, 404)


async def test_its_digest_is_looked_up_and_the_token_itself_is_kept_nowhere(gateway: SmallGateway) -> None:
    """What is compared is a hash in a table: how long that takes tells nothing of the tokens there are."""
    secret = "rf_" + "s" * 40
    route = {**token_route("sam", "nlp", "viewer"), "digest": hashlib.sha256(secret.encode()).hexdigest()}
    await gateway.controller.table.applied(await gateway.controller.table.set_tokens([route]))
    tokens: dict[str, Any] = vars(gateway.routes)["_tokens"]
    assert list(tokens) == [hashlib.sha256(secret.encode()).hexdigest()]
    assert (await gateway.ask("GET", "/v1/whoami", who=secret)).status == 200
    assert (await gateway.ask("GET", "/v1/whoami", who=secret[:-1])).status == 401
