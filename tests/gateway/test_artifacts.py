"""Names of artifacts over HTTP: who moves them, who looks them up, and what they may lead to."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.gateway.small import SmallGateway

ONE = "/v1/artifacts/nlp/bert/aliases/prod"


@pytest.mark.parametrize("who", ["vera", "ivan", "root"])
async def test_members_of_the_team_and_admins_look_a_name_up(gateway: SmallGateway, who: str) -> None:
    gateway.controller.answers["artifact"] = {"uri": "s3://b/k"}
    assert (await gateway.ask("GET", ONE, who=who)).json() == {"uri": "s3://b/k"}
    assert gateway.controller.asked_for("artifact") == {"team": "nlp", "name": "bert", "alias": "prod"}


async def test_to_other_teams_it_is_as_if_there_were_none(gateway: SmallGateway) -> None:
    for who in ("otto", "dina"):
        assert (await gateway.ask("GET", ONE, who=who)).status == 404
    assert gateway.controller.asked == []


async def test_a_call_looks_up_names_of_the_team_whose_code_it_is(gateway: SmallGateway) -> None:
    gateway.controller.answers["artifact"] = {"uri": "s3://b/k"}
    executor = await gateway.executor()
    calling = gateway.call(target="nlp/embed", who="otto")
    running = await executor.call()
    token = (await running.access()).token
    assert (await gateway.ask("GET", ONE, who=token)).status == 200
    assert (await gateway.ask("GET", "/v1/artifacts/vision/bert/aliases/prod", who=token)).status == 404
    assert (await gateway.ask("PUT", ONE, b'{"uri": "s3://b/k"}', token)).status == 403
    assert (await gateway.ask("GET", "/v1/artifacts", who=token)).status == 403
    running.returns(0)
    await calling.answer()


@pytest.mark.parametrize(
    "body",
    [{}, {"uri": ""}, {"uri": "no-scheme"},
     {"uri": "s3://"}, {"uri": "file:///"}, {"uri": "s3://[b/k"},
     {"uri": 1}, {"uri": "artifact://bert:next"}, {"uri": "s3://" + "x" * 5_000},
     {"uri": "s3://b/k", "version": ""}, {"uri": "s3://b/k", "version": 3}, {"uri": "s3://b/k", "message": 1}],
)  # fmt: skip
async def test_what_it_can_not_lead_to_is_refused(gateway: SmallGateway, body: dict[str, Any]) -> None:
    answer = await gateway.ask("PUT", ONE, json.dumps(body).encode(), "dora")
    assert (answer.status, answer.code) == (400, "bad_request")
    assert gateway.controller.asked == []
