"""A version's code is for the team that owns it, and for admins; it is sent as it was deployed."""

from __future__ import annotations

import pytest

from rayfaas.errors import NotFound
from tests.gateway.small import SmallGateway
from tests.gateway.test_invoke import call_token, parent

VERSION = "/v1/functions/nlp/embed/versions/3"


async def test_a_version_is_told_to_all_and_its_code_to_its_team(gateway: SmallGateway) -> None:
    gateway.controller.answers = {"version": {"version": 3}, "version_bundle": b"PK..."}
    for who in ("vera", "root", "dina"):
        answer = await gateway.ask("GET", VERSION, who=who)
        assert (answer.status, answer.json()) == (200, {"version": 3}), who
    for who in ("vera", "root"):
        answer = await gateway.ask("GET", f"{VERSION}/bundle", who=who)
        assert (answer.status, answer.body, answer.headers["content-type"]) == (200, b"PK...", "application/zip"), who
    gateway.controller.asked.clear()
    refused = await gateway.ask("GET", f"{VERSION}/bundle", who="dina")
    assert (refused.status, refused.code, gateway.controller.asked) == (403, "forbidden", [])
    assert "The code of team 'nlp' is for that team" in refused.json()["detail"]


async def test_what_a_call_runs_can_not_read_the_code_of_its_callers_team(gateway: SmallGateway) -> None:
    answer = await gateway.ask("GET", f"{VERSION}/bundle", who=call_token(parent()))
    assert (answer.status, answer.code, gateway.controller.asked) == (403, "forbidden", [])


async def test_what_is_asked_for_is_one_version(gateway: SmallGateway) -> None:
    gateway.controller.answers = {"version_bundle": b""}
    await gateway.ask("GET", f"{VERSION}/bundle", who="vera")
    assert gateway.controller.asked_for("version_bundle") == {"team": "nlp", "name": "embed", "version": 3}
    gateway.controller.answers = {"version_bundle": NotFound("no version 3")}
    assert (await gateway.ask("GET", f"{VERSION}/bundle", who="vera")).code == "not_found"


@pytest.mark.parametrize("version", ["x", "-1", "1.5", "٣", "1" * 10, "%2e%2e", "3%00"])
async def test_what_is_no_version_is_refused_here(gateway: SmallGateway, version: str) -> None:
    for path in (f"/v1/functions/nlp/embed/versions/{version}", f"/v1/functions/nlp/embed/versions/{version}/bundle"):
        answer = await gateway.ask("GET", path, who="vera")
        assert answer.status in (400, 404), path
    assert gateway.controller.asked == []


async def test_a_plan_is_for_who_may_deploy_it(gateway: SmallGateway) -> None:
    gateway.controller.answers = {"plan": {"created": True}}
    answer = await gateway.ask("POST", "/v1/functions/nlp/embed/plan", b'{"publish": {}}', who="dora")
    assert answer.json() == {"created": True}
    assert gateway.controller.asked_for("plan") == {
        "team": "nlp", "name": "embed", "planned": {"publish": {}}, "actor": "dora", "rights": {"nlp": "deployer"},
    }  # fmt: skip
    assert (await gateway.ask("POST", "/v1/functions/nlp/embed/plan", b"{}", who="dina")).status == 403
