"""An admin says where alarms are told; each that the controller hands over is sent there once, signed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rayfaas.errors import Forbidden
from tests.gateway.small import SmallGateway
from tests.gateway.test_webhooks import answering, is_signed
from tests.scripted_server import ScriptedServer

PATH = "/v1/webhook/alarms"
ALARM: dict[str, Any] = {
    "alarm": "0198f3a2-7c1e-7aaa-8bbb-000000000001",
    "at_us": 1_764_244_800_000_000,
    "cluster": "local",
    "worker_group": "gpu",
    "node": "gpu-1",
    "event": "vanished",
    "reason": "somebody else ended it",
}


async def test_a_url_is_kept_and_hears_a_trial(gateway: SmallGateway) -> None:
    with ScriptedServer(answering(204)) as server:
        answer = await gateway.ask("PUT", PATH, json.dumps({"url": server.url}).encode(), "ada")
    assert answer.json() == {"url": server.url, "problem": None}
    assert gateway.controller.asked_for("set_alarm_webhook") == {"url": server.url, "actor": "ada"}
    assert (server.requests[0].json()["type"], server.requests[0].json()["data"]) == ("alarm.test", {"set_by": "ada"})


async def test_a_trial_that_nobody_hears_is_told(gateway: SmallGateway) -> None:
    with ScriptedServer(answering(500)) as server:
        answer = await gateway.ask("PUT", PATH, json.dumps({"url": server.url}).encode(), "ada")
    assert (answer.status, answer.json()["problem"]) == (200, "It answered 500.")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"url": "http://169.254.169.254/latest"}, "forbidden"),
        ({"url": "ftp://example.com"}, "bad_request"),
        ({"url": 3}, "bad_request"),
        ({}, "bad_request"),
    ],
)
async def test_a_url_that_may_not_be_is_not_kept(gateway: SmallGateway, body: dict[str, Any], code: str) -> None:
    answer = await gateway.ask("PUT", PATH, json.dumps(body).encode(), "ada")
    assert (answer.code, gateway.controller.asked) == (code, [])
    assert "Rayfaas-Webhook" not in answer.json()["detail"]


async def test_an_alarm_is_sent_once_and_signed(gateway: SmallGateway) -> None:
    with ScriptedServer(answering(200)) as server:
        assert await gateway.controller.link.request("tell_alarm", url=server.url, alarm=ALARM) is None
    (request,) = server.requests
    document = request.json()
    assert (document["type"], document["timestamp"]) == ("alarm.raised", "2025-11-27T12:00:00.000000Z")
    assert document["data"]["reason"] == "somebody else ended it"
    assert document["data"]["alarm"] == request.headers["webhook-id"]
    assert is_signed(request, (await gateway.ask("GET", "/v1/webhook", who="ada")).json()["secret"])


async def test_what_went_wrong_goes_back_to_the_controller(gateway: SmallGateway) -> None:
    link = gateway.controller.link
    with pytest.raises(Forbidden, match="not a public address"):
        await link.request("tell_alarm", url="http://10.0.0.1/", alarm=ALARM)
    with ScriptedServer(answering(302, headers={"Location": "/elsewhere"})) as server:
        assert await link.request("tell_alarm", url=server.url, alarm=ALARM) == "It answered 302."
    assert len(server.requests) == 1
