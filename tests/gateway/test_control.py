"""The control plane: who may what, what a bad request is told, and what of a good one reaches the controller."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest

from rayfaas.errors import Conflict, DeployTimeout, ImportFailed, NotFound, QueryError
from rayfaas.gateway import control as control_module
from rayfaas.gateway import requests as requests_module
from rayfaas.gateway.control import Control
from rayfaas.gateway.following import Following
from rayfaas.roles import ROLES
from tests.gateway.small import SmallGateway
from tests.waiting import eventually

DIGEST = "0123456789abcdef" * 4
FUNCTION = "/v1/functions/nlp/embed"
ALIASES = "/v1/functions/{team}/{name}/aliases"
ARTIFACT = "/v1/artifacts/{team}/{name}/aliases/{alias}"
MEMBERS = "/v1/teams/{team}/members"
SCHEDULE = "/v1/functions/{team}/{name}/schedules/{schedule}"
GRANTS = "/v1/functions/{team}/{name}/grants"
CANARY = b'{"version": 2, "steps": [5, 100]}'
# One of each role, all of one team.
BY_ROLE = dict(zip(ROLES, ("vera", "ivan", "dora", "ada"), strict=True))


@dataclass(frozen=True)
class Endpoint:
    """`body` is one that it takes, `template` the route that it is reached by."""

    method: str
    template: str
    url: str
    role: str
    body: bytes = b""

    def __str__(self) -> str:
        return f"{self.method} {self.template}"


ENDPOINTS = [
    Endpoint("GET", "/v1/whoami", "/v1/whoami", "viewer"),
    Endpoint("GET", "/v1/status", "/v1/status", "viewer"),
    Endpoint("HEAD", "/v1/bundles/{digest}", f"/v1/bundles/{DIGEST}", "deployer"),
    Endpoint("PUT", "/v1/bundles/{digest}", f"/v1/bundles/{DIGEST}", "deployer"),
    Endpoint("GET", "/v1/functions", "/v1/functions", "viewer"),
    Endpoint("GET", "/v1/functions/{team}/{name}", FUNCTION, "viewer"),
    Endpoint("GET", "/v1/functions/{team}/{name}/versions", f"{FUNCTION}/versions", "viewer"),
    Endpoint("POST", "/v1/functions/{team}/{name}/versions", f"{FUNCTION}/versions", "deployer", b"{}"),
    Endpoint("GET", "/v1/functions/{team}/{name}/versions/{version}", f"{FUNCTION}/versions/3", "viewer"),
    Endpoint("GET", "/v1/functions/{team}/{name}/versions/{version}/bundle", f"{FUNCTION}/versions/3/bundle", "viewer"),
    Endpoint("POST", "/v1/functions/{team}/{name}/plan", f"{FUNCTION}/plan", "deployer", b"{}"),
    Endpoint(
        "POST", "/v1/functions/{team}/{name}/aliases/{alias}", f"{FUNCTION}/aliases/prod", "deployer", b'{"version": 1}'
    ),
    Endpoint("DELETE", "/v1/functions/{team}/{name}", FUNCTION, "deployer"),
    Endpoint("DELETE", "/v1/functions/{team}/{name}/versions/{version}", f"{FUNCTION}/versions/3", "deployer"),
    Endpoint("PATCH", "/v1/functions/{team}/{name}/scaling", f"{FUNCTION}/scaling", "deployer", b'{"min_replicas": 1}'),
    Endpoint("GET", f"{ALIASES}", f"{FUNCTION}/aliases", "viewer"),
    Endpoint("GET", f"{ALIASES}/{{alias}}/history", f"{FUNCTION}/aliases/prod/history", "viewer"),
    Endpoint("POST", f"{ALIASES}/{{alias}}/rollback", f"{FUNCTION}/aliases/prod/rollback", "deployer", b"{}"),
    Endpoint("GET", f"{ALIASES}/{{alias}}/canary", f"{FUNCTION}/aliases/prod/canary", "viewer"),
    Endpoint("POST", f"{ALIASES}/{{alias}}/canary", f"{FUNCTION}/aliases/prod/canary", "deployer", CANARY),
    Endpoint("DELETE", f"{ALIASES}/{{alias}}/canary", f"{FUNCTION}/aliases/prod/canary", "deployer"),
    Endpoint("GET", "/v1/functions/{team}/{name}/access", f"{FUNCTION}/access", "viewer"),
    Endpoint("PUT", "/v1/functions/{team}/{name}/access", f"{FUNCTION}/access", "deployer", b'{"access": "team"}'),
    Endpoint("GET", "/v1/functions/{team}/{name}/deprecation", f"{FUNCTION}/deprecation", "viewer"),
    Endpoint("PUT", "/v1/functions/{team}/{name}/deprecation", f"{FUNCTION}/deprecation", "deployer", b"{}"),
    Endpoint("DELETE", "/v1/functions/{team}/{name}/deprecation", f"{FUNCTION}/deprecation", "deployer"),
    Endpoint("PUT", f"{GRANTS}/{{grantee}}", f"{FUNCTION}/grants/vision", "deployer", b"{}"),
    Endpoint("DELETE", f"{GRANTS}/{{grantee}}", f"{FUNCTION}/grants/vision", "deployer"),
    Endpoint("GET", "/v1/schedules", "/v1/schedules", "viewer"),
    Endpoint("PUT", SCHEDULE, f"{FUNCTION}/schedules/nightly", "deployer", b'{"cron": "0 8 * * *"}'),
    Endpoint("DELETE", SCHEDULE, f"{FUNCTION}/schedules/nightly", "deployer"),
    Endpoint("POST", f"{SCHEDULE}/suspend", f"{FUNCTION}/schedules/nightly/suspend", "deployer", b"{}"),
    Endpoint("POST", f"{SCHEDULE}/resume", f"{FUNCTION}/schedules/nightly/resume", "deployer", b"{}"),
    Endpoint("GET", "/v1/limits", "/v1/limits", "admin"),
    Endpoint("PUT", "/v1/limits/{kind}", "/v1/limits/team?name=nlp", "admin", b'{"calls_per_s": 1}'),
    Endpoint("DELETE", "/v1/limits/{kind}", "/v1/limits/function?name=nlp/embed", "admin"),
    Endpoint("POST", "/v1/sql", "/v1/sql", "viewer", b'{"sql": "SELECT 1"}'),
    Endpoint("GET", "/v1/export/{view}", "/v1/export/functions", "viewer"),
    Endpoint("GET", "/metrics", "/metrics", "viewer"),
    Endpoint("GET", "/v1/usage", "/v1/usage", "viewer"),
    Endpoint("GET", "/v1/lineage", "/v1/lineage?of=embed", "viewer"),
    Endpoint("GET", "/v1/logs", "/v1/logs", "viewer"),
    Endpoint("GET", "/v1/environments", "/v1/environments", "viewer"),
    Endpoint("GET", "/v1/artifacts", "/v1/artifacts", "viewer"),
    Endpoint("GET", ARTIFACT, "/v1/artifacts/nlp/embed/aliases/prod", "viewer"),
    Endpoint("PUT", ARTIFACT, "/v1/artifacts/nlp/embed/aliases/prod", "deployer", b'{"uri": "s3://b/k"}'),
    Endpoint("GET", "/v1/secrets", "/v1/secrets", "deployer"),
    Endpoint("PUT", "/v1/secrets/{team}/{name}", "/v1/secrets/nlp/embed", "deployer", b'{"values": {"A": "b"}}'),
    Endpoint("DELETE", "/v1/secrets/{team}/{name}", "/v1/secrets/nlp/embed", "deployer"),
    Endpoint("GET", "/v1/webhook", "/v1/webhook", "admin"),
    Endpoint("GET", "/v1/webhook/alarms", "/v1/webhook/alarms", "admin"),
    Endpoint("PUT", "/v1/webhook/alarms", "/v1/webhook/alarms", "admin", b'{"url": "http://127.0.0.1:1/"}'),
    Endpoint("DELETE", "/v1/webhook/alarms", "/v1/webhook/alarms", "admin"),
    Endpoint("GET", "/v1/tokens", "/v1/tokens", "admin"),
    Endpoint("POST", "/v1/tokens", "/v1/tokens", "admin", b"{}"),
    Endpoint("DELETE", "/v1/tokens/{token_id}", "/v1/tokens/t1", "admin"),
    Endpoint("POST", "/v1/tokens/{token_id}/rotate", "/v1/tokens/t1/rotate", "admin", b"{}"),
    Endpoint("GET", "/v1/teams", "/v1/teams", "viewer"),
    Endpoint("GET", f"{MEMBERS}", "/v1/teams/nlp/members", "viewer"),
    Endpoint("PUT", f"{MEMBERS}", "/v1/teams/nlp/members?principal=zoe", "admin", b'{"role": "invoker"}'),
    Endpoint("DELETE", f"{MEMBERS}", "/v1/teams/nlp/members?principal=zoe", "admin"),
    Endpoint("GET", "/v1/functions/{team}/{name}/protections", f"{FUNCTION}/protections", "viewer"),
    Endpoint(
        "PUT", f"{ALIASES}/{{alias}}/protection", f"{FUNCTION}/aliases/prod/protection", "admin", b'{"who": ["ann"]}'
    ),
    Endpoint("DELETE", f"{ALIASES}/{{alias}}/protection", f"{FUNCTION}/aliases/prod/protection", "admin"),
    Endpoint("GET", "/v1/clusters", "/v1/clusters", "viewer"),
    Endpoint("POST", "/v1/clusters", "/v1/clusters", "admin", b"{}"),
    Endpoint("DELETE", "/v1/clusters/{cluster}", "/v1/clusters/lab", "admin"),
    Endpoint("POST", "/v1/clusters/{cluster}/start", "/v1/clusters/local/start", "admin", b'{"for": "2h"}'),
    Endpoint("POST", "/v1/clusters/{cluster}/stop", "/v1/clusters/local/stop", "admin", b"{}"),
    Endpoint("GET", "/v1/waiting", "/v1/waiting?target=embed", "viewer"),
    Endpoint("GET", "/v1/gateways", "/v1/gateways", "viewer"),
    Endpoint("POST", "/v1/gateways", "/v1/gateways", "admin", b"{}"),
    Endpoint("DELETE", "/v1/gateways/{gateway}", "/v1/gateways/edge", "admin"),
    Endpoint("GET", "/v1/nodes", "/v1/nodes", "viewer"),
    Endpoint("POST", "/v1/nodes/{node}/drain", "/v1/nodes/0123abcd/drain", "admin"),
    Endpoint("GET", "/v1/clusters/{cluster}/groups", "/v1/clusters/local/groups", "viewer"),
    Endpoint("PUT", "/v1/clusters/{cluster}/groups/{group}", "/v1/clusters/local/groups/gpu", "admin", b"{}"),
    Endpoint("DELETE", "/v1/clusters/{cluster}/groups/{group}", "/v1/clusters/local/groups/gpu", "admin"),
    Endpoint(
        "POST",
        "/v1/clusters/{cluster}/groups/{group}/warm",
        "/v1/clusters/local/groups/gpu/warm",
        "admin",
        b'{"for": "2h"}',
    ),
    Endpoint(
        "POST",
        "/v1/clusters/{cluster}/machines/{machine}/hold",
        "/v1/clusters/local/machines/gpu-1/hold",
        "deployer",
        b'{"for": "2h"}',
    ),
    Endpoint(
        "POST",
        "/v1/clusters/{cluster}/machines/{machine}/stop",
        "/v1/clusters/local/machines/gpu-1/stop",
        "admin",
        b"{}",
    ),
]
TAKE_JSON = [endpoint for endpoint in ENDPOINTS if endpoint.body]
OF_A_TEAM = [endpoint for endpoint in ENDPOINTS if "{team}" in endpoint.template]

# What the controller is not asked about.
ANSWERED_HERE = ("/v1/whoami", "/v1/webhook", "/v1/waiting")

every_endpoint = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=str)
every_json_endpoint = pytest.mark.parametrize("endpoint", TAKE_JSON, ids=str)


def test_the_table_of_this_file_is_the_table_of_contents(run_dir: Any) -> None:
    gateway = SmallGateway(run_dir)
    following = Following(gateway.link, gateway.ending)
    routes = Control(gateway.routes, gateway.link, following, "", gateway.alarms).routes()
    methods = {(method, route.path) for route in routes for method in route.methods or ()}
    gateway.journal.close()
    implied = {("HEAD", path) for method, path in methods if method == "GET"}
    assert methods - implied | {("HEAD", "/v1/bundles/{digest}")} == {(e.method, e.template) for e in ENDPOINTS}


# Who may


@every_endpoint
async def test_who_is_not_known_may_nothing(gateway: SmallGateway, endpoint: Endpoint) -> None:
    for who in (None, "", "nobody", "rc_AAAA"):
        answer = await gateway.ask(endpoint.method, endpoint.url, endpoint.body, who)
        assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Bearer realm="rayfaas"'), who
    assert gateway.controller.asked == []


@every_endpoint
async def test_each_needs_its_role(gateway: SmallGateway, endpoint: Endpoint) -> None:
    gateway.controller.events = [{"event": "live"}]
    needed = ROLES.index(endpoint.role)
    for role in ROLES[:needed]:
        answer = await gateway.ask(endpoint.method, endpoint.url, endpoint.body, BY_ROLE[role])
        assert (answer.status, answer.code) == (403, "forbidden"), role
        assert endpoint.role in answer.json()["detail"]
    assert gateway.controller.asked == []
    for role in ROLES[needed:]:
        answer = await gateway.ask(endpoint.method, endpoint.url, endpoint.body, BY_ROLE[role])
        assert answer.status not in (400, 401, 403, 500), role
    asked = 0 if endpoint.template in ANSWERED_HERE else len(ROLES) - needed
    assert len(gateway.controller.asked) == asked


@pytest.mark.parametrize("endpoint", [e for e in OF_A_TEAM if e.role == "deployer"], ids=str)
async def test_another_teams_functions_are_not_to_be_changed_but_by_admins(
    gateway: SmallGateway, endpoint: Endpoint
) -> None:
    gateway.controller.events = [{"event": "live"}]
    refused = await gateway.ask(endpoint.method, endpoint.url, endpoint.body, "dina")
    assert (refused.status, gateway.controller.asked) == (403, [])
    assert (await gateway.ask(endpoint.method, endpoint.url, endpoint.body, "root")).status < 300


# Bad requests


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b'{"sql": }', b"null", b"[]", b'"text"', b"1", b"NaN", b'{"sql": NaN}', b"\xff\xfe",
        b"{'a': 1}", b"{} {}", b"<xml/>", b"\xef\xbb\xbf{}", b"\x00",
    ],
    ids=repr,
)  # fmt: skip
async def test_a_body_that_is_no_json_object_is_told_so(gateway: SmallGateway, body: bytes) -> None:
    for endpoint in TAKE_JSON:
        answer = await gateway.ask(endpoint.method, endpoint.url, body, "ada")
        assert (answer.status, answer.code) == (400, "malformed_body"), endpoint
    assert gateway.controller.asked == []


@every_json_endpoint
@pytest.mark.parametrize("told", [True, False], ids=["told", "not told"])
async def test_a_body_over_the_limit_is_refused(
    gateway: SmallGateway, endpoint: Endpoint, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests_module, "MAX_REQUEST", 1000)
    body = b'{"a": "%s"}' % bytes(1001).replace(b"\0", b"x")
    sent: bytes | Sequence[bytes] = body if told else [body[:500], body[500:]]
    answer = await gateway.ask(endpoint.method, endpoint.url, sent, "ada")
    assert (answer.status, answer.code, answer.json()["limit"]) == (413, "body_too_large", 1000)
    assert gateway.controller.asked == []


@every_json_endpoint
async def test_the_content_type_of_json_is_not_asked_for(gateway: SmallGateway, endpoint: Endpoint) -> None:
    gateway.controller.events = [{"event": "live"}]
    headers = {"Content-Type": "text/plain; charset=latin-1"}
    answer = await gateway.ask(endpoint.method, endpoint.url, endpoint.body, "ada", headers)
    assert answer.status in (200, 201, 202)


@pytest.mark.parametrize("place", ["..", "NLP", "é", "a b", "x" * 200, "'; DROP TABLE calls; --", "a\n", "-", "%2e%2e"])
async def test_names_that_are_none_reach_nobody(gateway: SmallGateway, place: str) -> None:
    for endpoint in OF_A_TEAM:
        hostile = {endpoint.url.replace("nlp", place), endpoint.url.replace("embed", place + "\0")}
        for url in hostile - {endpoint.url}:
            answer = await gateway.ask(endpoint.method, url, endpoint.body, "root")
            assert (answer.status, answer.code) == (400, "bad_request"), url
    assert gateway.controller.asked == []


@every_endpoint
async def test_without_the_controller_one_is_told_to_try_again(gateway: SmallGateway, endpoint: Endpoint) -> None:
    await gateway.controller.stop()
    await eventually(lambda: not gateway.link.is_up)
    answer = await gateway.ask(endpoint.method, endpoint.url, endpoint.body, "ada")
    if endpoint.template in ANSWERED_HERE:
        assert answer.status == 200
    else:
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")


@every_endpoint
async def test_an_error_of_the_controller_is_answered_as_it_is(gateway: SmallGateway, endpoint: Endpoint) -> None:
    error = Conflict("somebody was faster", by="bob")
    names = (
        "status", "has_bundle", "put_bundle", "functions", "function", "versions", "move_alias", "rollback", "aliases",
        "alias_history", "begin_canary", "canary", "abort_canary", "sql", "export", "logs", "usage", "tokens",
        "invite_gateway", "gateways", "remove_gateway",
        "create_token", "rotate_token", "revoke_token", "teams", "team", "set_member", "remove_member",
        "protections", "protect", "unprotect", "invite", "clusters", "remove_cluster", "nodes", "drain_node",
        "start_cluster", "stop_cluster", "groups", "set_group", "delete_group", "warm", "hold_node", "end_node",
        "version", "version_bundle", "plan", "lineage",
        "environments", "secrets", "set_secret", "delete_secret", "scale", "delete",
        "access", "set_access", "grant", "revoke_grant", "limits", "set_limit", "drop_limit",
        "deprecation", "deprecate", "end_deprecation",
        "schedules", "set_schedule", "remove_schedule", "suspend_schedule", "resume_schedule",
        "alarm_webhook", "set_alarm_webhook", "drop_alarm_webhook", "metrics", "artifacts", "artifact", "move_artifact",
    )  # fmt: skip
    gateway.controller.answers = dict.fromkeys(names, error)
    gateway.controller.events = [error]
    answer = await gateway.ask(endpoint.method, endpoint.url, endpoint.body, "ada")
    if endpoint.template not in ANSWERED_HERE:
        assert (answer.status, answer.code) == (409, "conflict")
        assert (answer.json()["detail"], answer.json()["by"]) == ("somebody was faster", "bob")


# Bundles


@pytest.mark.parametrize(("known", "status"), [(True, 200), (False, 404)])
async def test_a_bundle_is_known_or_not(gateway: SmallGateway, known: bool, status: int) -> None:
    gateway.controller.answers["has_bundle"] = known
    answer = await gateway.ask("HEAD", f"/v1/bundles/{DIGEST}", who="dora")
    assert (answer.status, answer.body) == (status, b"")


async def test_a_bundle_reaches_the_controller_whole(gateway: SmallGateway) -> None:
    archive = bytes(range(256)) * 10_000
    pieces = [archive[:1], archive[1:1_000_000], archive[1_000_000:]]
    assert (await gateway.ask("PUT", f"/v1/bundles/{DIGEST}", pieces, "dora")).status == 201
    assert gateway.controller.asked_for("put_bundle") == {"digest": DIGEST, "archive": archive, "actor": "dora"}


@pytest.mark.parametrize(
    "digest", ["..", "x", DIGEST[:-1], DIGEST + "0", DIGEST.upper(), "g" * 64, "０" * 64, "/" * 64, "." * 64]
)
async def test_a_bundle_is_addressed_by_its_digest_only(gateway: SmallGateway, digest: str) -> None:
    for method in ("HEAD", "PUT"):
        answer = await gateway.ask(method, f"/v1/bundles/{digest}", b"x", "dora")
        assert answer.status in (400, 404), method
    assert gateway.controller.asked == []


@pytest.mark.parametrize("told", [True, False], ids=["told", "not told"])
async def test_a_bundle_over_the_limit_is_refused(
    gateway: SmallGateway, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_module, "MAX_BUNDLE", 10)
    sent: bytes | Sequence[bytes] = bytes(11) if told else [bytes(5), bytes(6)]
    answer = await gateway.ask("PUT", f"/v1/bundles/{DIGEST}", sent, "dora")
    assert (answer.status, answer.code) == (413, "body_too_large")
    assert gateway.controller.asked == []
    assert (await gateway.ask("PUT", f"/v1/bundles/{DIGEST}", bytes(10), "dora")).status == 201


async def test_half_a_bundle_is_not_kept(gateway: SmallGateway) -> None:
    exchange = gateway.request("PUT", f"/v1/bundles/{DIGEST}", [b"half of"], "dora", whole=False)
    await asyncio.wait([exchange.task], timeout=0)
    exchange.leave()
    await asyncio.wait([exchange.task], timeout=20)
    assert exchange.task.done()
    exchange.task.exception()  # nobody is left to be answered
    assert gateway.controller.asked == []


# Functions


async def test_what_is_deployed_is_what_the_controller_says(gateway: SmallGateway) -> None:
    gateway.controller.answers = {
        "functions": [{"team": "nlp", "name": "embed"}],
        "function": {"name": "embed"},
        "versions": [{"n": 1}],
    }
    assert (await gateway.ask("GET", "/v1/functions", who="vera")).json()["functions"][0]["name"] == "embed"
    assert (await gateway.ask("GET", FUNCTION, who="vera")).json() == {"name": "embed"}
    assert (await gateway.ask("GET", f"{FUNCTION}/versions", who="vera")).json() == {"versions": [{"n": 1}]}
    assert gateway.controller.asked_for("versions") == {"team": "nlp", "name": "embed"}


async def test_a_deploy_is_told_event_by_event(gateway: SmallGateway) -> None:
    spawn, more = {"event": "spawning"}, asyncio.Event()
    gateway.controller.events = [spawn, more, {"event": "live", "version": 3}]
    body = json.dumps({"bundle": DIGEST, "alias": "live"}).encode()
    exchange = gateway.request("POST", f"{FUNCTION}/versions", body, "dora")
    assert json.loads(await exchange.piece()) == spawn
    more.set()
    answer = await exchange.answer()
    assert (answer.status, answer.headers["content-type"]) == (200, "application/x-ndjson")
    assert answer.lines() == [spawn, {"event": "live", "version": 3}]
    asked = gateway.controller.asked_for("publish")
    assert asked == {
        "team": "nlp",
        "name": "embed",
        "publish": {"bundle": DIGEST, "alias": "live"},
        "actor": "dora",
        "rights": {"nlp": "deployer"},
    }


async def test_a_deploy_that_is_refused_at_once_is_a_problem(gateway: SmallGateway) -> None:
    gateway.controller.events = [NotFound("There is no such bundle.")]
    answer = await gateway.ask("POST", f"{FUNCTION}/versions", b"{}", "dora")
    assert (answer.status, answer.code) == (404, "not_found")


async def test_a_deploy_that_fails_on_the_way_says_why_in_its_last_line(gateway: SmallGateway) -> None:
    gateway.controller.events = [{"event": "spawning"}, ImportFailed("no module", traceback="Traceback …")]
    answer = await gateway.ask("POST", f"{FUNCTION}/versions", b"{}", "dora")
    _, last = answer.lines()
    assert (answer.status, last["event"]) == (200, "error")
    assert (last["problem"]["code"], last["problem"]["traceback"]) == ("import_failed", "Traceback …")


async def test_a_deploy_whose_controller_dies_does_not_end_in_silence(gateway: SmallGateway) -> None:
    gateway.controller.events = [{"event": "spawning"}, asyncio.Event()]
    exchange = gateway.request("POST", f"{FUNCTION}/versions", b"{}", "dora")
    await exchange.piece()
    await gateway.controller.stop()
    last = (await exchange.answer()).lines()[-1]
    assert (last["event"], last["problem"]["code"], last["problem"]["retryable"]) == ("error", "unavailable", True)


async def test_the_controller_hears_when_nobody_listens_to_a_deploy_any_more(gateway: SmallGateway) -> None:
    gateway.controller.events = [{"event": "spawning"}, asyncio.Event()]
    exchange = gateway.request("POST", f"{FUNCTION}/versions", b"{}", "dora")
    await exchange.piece()
    exchange.leave()
    await asyncio.wait_for(gateway.controller.publish_ended.wait(), 20)
    await asyncio.wait([exchange.task])


# SQL


async def test_a_query_is_asked_for_the_team_of_who_asks(gateway: SmallGateway) -> None:
    gateway.controller.answers["sql"] = {"columns": [], "rows": [[1]], "truncated": False}
    answer = await gateway.ask("POST", "/v1/sql", b'{"sql": "SELECT ?", "parameters": [1, null, "x"]}', "vera")
    assert answer.json()["rows"] == [[1]]
    actor = {"principal": "vera", "team": "nlp", "role": "viewer"}
    asked = {"sql": "SELECT ?", "parameters": [1, None, "x"], "actor": actor, "encoding": ""}
    assert gateway.controller.asked_for("sql") == asked


async def test_who_asks_is_who_the_token_says_whatever_the_body_says(gateway: SmallGateway) -> None:
    body = b'{"sql": "SELECT 1", "actor": {"principal": "root", "team": "ops", "role": "admin"}}'
    await gateway.ask("POST", "/v1/sql", body, "vera")
    assert gateway.controller.asked_for("sql")["actor"]["role"] == "viewer"


@pytest.mark.parametrize(
    "body",
    ["{}", '{"sql": null}', '{"sql": 1}', '{"sql": ["SELECT 1"]}', '{"sql": "SELECT 1", "parameters": {"a": 1}}',
     '{"sql": "SELECT 1", "parameters": null}', '{"sql": "SELECT 1", "parameters": "1"}'],
)  # fmt: skip
async def test_a_query_that_is_no_text_with_a_list_is_a_bad_request(gateway: SmallGateway, body: str) -> None:
    answer = await gateway.ask("POST", "/v1/sql", body.encode(), "vera")
    assert (answer.status, answer.code, gateway.controller.asked) == (400, "bad_request", [])


async def test_a_query_that_is_refused_says_why(gateway: SmallGateway) -> None:
    gateway.controller.answers["sql"] = QueryError("only SELECT is allowed")
    answer = await gateway.ask("POST", "/v1/sql", b'{"sql": "DROP TABLE calls"}', "ada")
    assert (answer.status, answer.code, answer.json()["detail"]) == (400, "query_error", "only SELECT is allowed")


# Usage


async def test_usage_is_asked_for_as_people_write_it(gateway: SmallGateway) -> None:
    gateway.controller.answers["usage"] = {"columns": [], "rows": [["ads", 3]], "truncated": False}
    url = "/v1/usage?by=team,%20day&since=12h&until=30m&function=embed&team=ads"
    assert (await gateway.ask("GET", url, who="vera")).json()["rows"] == [["ads", 3]]
    asked = gateway.controller.asked_for("usage")
    wanted = {"by": ["team", "day"], "since_s": 43_200.0, "until_s": 1800.0, "function": "embed", "team": "ads"}
    assert (asked["usage"], asked["actor"]["team"]) == (wanted | {"cost": False}, "nlp")


@pytest.mark.parametrize(("said", "status", "cost"), [("1", 200, True), ("0", 200, False), ("yes", 400, None)])
async def test_what_calls_cost_is_told_to_who_asks(
    gateway: SmallGateway, said: str, status: int, cost: bool | None
) -> None:
    gateway.controller.answers["usage"] = {"columns": [], "rows": [], "truncated": False}
    assert (await gateway.ask("GET", f"/v1/usage?cost={said}", who="vera")).status == status
    assert [asked["usage"]["cost"] for _, asked in gateway.controller.asked] == ([] if cost is None else [cost])


@pytest.mark.parametrize("since", ["", "30", "-1d", "1w", "1e9d", "1 d", "\u0661d"])
async def test_a_time_that_is_none_is_a_bad_request(gateway: SmallGateway, since: str) -> None:
    answer = await gateway.ask("GET", f"/v1/usage?since={quote(since)}", who="vera")
    assert (answer.status, answer.code, gateway.controller.asked) == (400, "bad_request", [])


# Logs


@pytest.mark.parametrize(
    ("query", "limit"), [("", 1000), ("?limit=5", 5), ("?limit=0", 0), ("?limit=999999999", 100_000)]
)
async def test_logs_are_as_many_as_asked_for_up_to_a_limit(gateway: SmallGateway, query: str, limit: int) -> None:
    gateway.controller.answers["logs"] = [{"text": "hello"}]
    assert (await gateway.ask("GET", f"/v1/logs{query}", who="vera")).json() == {"logs": [{"text": "hello"}]}
    assert gateway.controller.asked_for("logs")["limit"] == limit


async def test_logs_may_be_those_of_a_function_or_a_call(gateway: SmallGateway) -> None:
    await gateway.ask("GET", "/v1/logs?function=nlp%2Fembed&call=c", who="otto")
    asked = gateway.controller.asked_for("logs")
    assert (asked["function"], asked["call"], asked["actor"]["team"]) == ("nlp/embed", "c", "vision")


@pytest.mark.parametrize("limit", ["", "-1", "1.5", "ten", "1e3", "+5", "0x10", "%201", "1_0"])
async def test_a_number_of_lines_that_is_none_is_a_bad_request(gateway: SmallGateway, limit: str) -> None:
    answer = await gateway.ask("GET", f"/v1/logs?limit={limit}", who="vera")
    assert (answer.status, answer.code, gateway.controller.asked) == (400, "bad_request", [])


async def test_a_deploy_that_takes_too_long_may_be_tried_again(gateway: SmallGateway) -> None:
    gateway.controller.events = [{"event": "spawning"}, DeployTimeout("too slow")]
    last = (await gateway.ask("POST", f"{FUNCTION}/versions", b"{}", "dora")).lines()[-1]
    assert (last["problem"]["status"], last["problem"]["retryable"]) == (504, True)


@pytest.mark.parametrize("parameters", [[[2**64]], [{"a": [-(2**63) - 1]}]], ids=repr)
async def test_a_number_that_the_controller_can_not_be_told_is_refused(
    gateway: SmallGateway, parameters: list[Any]
) -> None:
    body = json.dumps({"sql": "SELECT ?", "parameters": parameters}).encode()
    answer = await gateway.ask("POST", "/v1/sql", body)
    assert (answer.status, answer.code, "64 bits" in answer.json()["detail"]) == (400, "bad_request", True)
    assert gateway.controller.asked == []
