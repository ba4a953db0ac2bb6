"""Who named a webhook hears of the end of its call, signed, until it has said that it heard."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from typing import Any

import msgspec
import pytest

from rayfaas.errors import FunctionError
from rayfaas.gateway.webhooks import MAX_RESULT, Ending
from rayfaas.records import Told
from tests.gateway.small import SmallGateway
from tests.gateway.test_spawned import spawn
from tests.scripted_server import Handler, Reply, Request, ScriptedServer
from tests.waiting import eventually


def answering(*statuses: int, headers: dict[str, str] | None = None) -> Handler:
    left = list(statuses)

    async def handler(request: Request, reply: Reply) -> None:
        await reply.send(left.pop(0) if len(left) > 1 else left[0], headers=headers)

    return handler


async def told(gateway: SmallGateway) -> Told:
    found = await eventually(lambda: [record for record in gateway.records() if isinstance(record, Told)])
    return found[0]


async def heard(gateway: SmallGateway, server: ScriptedServer, value: Any = 1) -> tuple[Request, Told]:
    """A spawned call returns `value`; what its webhook hears first."""
    executor = await gateway.executor()
    executor.answers(lambda call: call.returns(value))
    accepted = await spawn(gateway, Rayfaas_Webhook=f"{server.url}/done?x=1").answer()
    assert accepted.status == 202
    end = await told(gateway)
    return server.requests[0], end


def is_signed(request: Request, secret: str) -> bool:
    """As a receiver checks it."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return request.headers["webhook-signature"] == f"v1,{expected}"


async def test_the_end_is_told_with_its_result_and_signed(gateway: SmallGateway) -> None:
    with ScriptedServer(answering(204)) as server:
        request, end = await heard(gateway, server, {"x": [1]})
    assert (request.method, request.target, request.headers["host"]) == ("POST", "/done?x=1", server.url[7:])
    document = request.json()
    data = document["data"]
    assert (document["type"], document["timestamp"]) == ("call.ended", data["ended_at"])
    assert (data["state"], data["code"], data["attempts"], data["result"]) == ("SUCCEEDED", None, 1, {"x": [1]})
    assert (data["function"], data["version"], data["caller"], data["team"]) == ("nlp/embed", 1, "ivan", "nlp")
    assert data["call"] == request.headers["webhook-id"] == end.call
    assert (end.state, end.attempts, end.problem) == ("DELIVERED", 1, None)
    secret = (await gateway.ask("GET", "/v1/webhook", who="ada")).json()["secret"]
    assert is_signed(request, secret)
    assert not is_signed(request, f"whsec_{base64.b64encode(bytes(32)).decode()}")


async def test_a_receiver_that_does_not_answer_holds_up_itself_alone(gateway: SmallGateway) -> None:
    async def hangs(request: Request, reply: Reply) -> None:
        await asyncio.Event().wait()

    (await gateway.executor()).answers(lambda call: call.returns(1))
    with ScriptedServer(hangs) as slow, ScriptedServer(answering(204)) as quick:
        for _ in range(40):
            assert (await spawn(gateway, Rayfaas_Webhook=slow.url).answer()).status == 202
        await eventually(lambda: len(gateway.settled()) == 40)
        url = quick.url.replace("127.0.0.1", "localhost")
        accepted = await spawn(gateway, Rayfaas_Webhook=url).answer()
        end = await told(gateway)
        assert (end.call, end.state) == (accepted.json()["call"], "DELIVERED")
        assert len(slow.requests) <= 4
        for task in list(vars(gateway.webhooks)["_held"].values()):
            task.cancel()


async def test_a_large_result_is_not_told_and_an_error_is(gateway: SmallGateway) -> None:
    with ScriptedServer(answering(200)) as server:
        large, _ = await heard(gateway, server, "x" * MAX_RESULT)
        assert "result" not in large.json()["data"]
        executor = await gateway.executor(version=2)
        executor.answers(lambda call: call.fails(FunctionError("ValueError: no", exception="ValueError")))
        await spawn(gateway, target="embed@prod", Rayfaas_Webhook=server.url).answer()
        await eventually(lambda: len(server.requests) == 2)
    data = server.requests[1].json()["data"]
    assert (data["state"], data["code"], data["detail"]) == ("FAILED", "function_error", "ValueError: no")


async def test_who_does_not_say_that_it_heard_is_told_again_under_the_same_id(gateway: SmallGateway) -> None:
    with ScriptedServer(answering(500, 404, 200)) as server:
        _, end = await heard(gateway, server)
    assert (end.state, end.attempts) == ("DELIVERED", 3)
    assert len({request.headers["webhook-id"] for request in server.requests}) == 1


async def test_a_redirect_is_not_followed_and_at_last_it_is_given_up(gateway: SmallGateway) -> None:
    with ScriptedServer(answering(302, headers={"Location": "/elsewhere"})) as server:
        _, end = await heard(gateway, server)
    assert (end.state, end.attempts, end.problem) == ("FAILED", 3, "It answered 302.")
    assert {request.path for request in server.requests} == {"/done"}


async def test_an_address_that_is_not_allowed_is_not_dialled_whatever_its_name(gateway: SmallGateway) -> None:
    await gateway.webhooks._tell(None, [msgspec.to_builtins(ending("http://169.254.169.254/latest"))])
    end = await told(gateway)
    assert (end.state, end.attempts) == ("FAILED", 1)
    assert "is not a public address" in str(end.problem)


async def test_nobody_listens(gateway: SmallGateway) -> None:
    with ScriptedServer(answering(200)) as server:
        pass
    await gateway.webhooks._tell(None, [msgspec.to_builtins(ending(server.url))])
    assert "ConnectError" in str((await told(gateway)).problem)


@pytest.mark.parametrize("url", ["http://localhost:99999/", "http://xn--/"])
async def test_a_url_that_nothing_can_dial_fails_and_is_not_brought_again(gateway: SmallGateway, url: str) -> None:
    await gateway.webhooks._tell(None, [msgspec.to_builtins(ending(url))])
    assert (await told(gateway)).state == "FAILED"


async def test_what_the_controller_brings_is_told_once_at_a_time(gateway: SmallGateway) -> None:
    with ScriptedServer(answering(200)) as server:
        end = msgspec.to_builtins(ending(server.url))
        await gateway.webhooks._tell(None, [end, end])
        assert await gateway.webhooks._telling(None) == [end["call"]]
        await told(gateway)
        await eventually(lambda: not gateway.webhooks._held)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("url", "code"),
    [("http://10.0.0.1/", "forbidden"), ("http://[::1]/", "forbidden"), ("ftp://example.com", "bad_request")],
)
async def test_a_webhook_that_may_not_be_is_refused_before_the_call_is_kept(
    gateway: SmallGateway, url: str, code: str
) -> None:
    assert (await spawn(gateway, Rayfaas_Webhook=url).answer()).code == code
    assert gateway.kept() == []


async def test_a_webhook_is_for_spawned_calls(gateway: SmallGateway) -> None:
    answer = await gateway.call(Rayfaas_Webhook="https://example.com").answer()
    assert (answer.code, gateway.starts()) == ("bad_request", [])


def ending(webhook: str) -> Ending:
    fields: dict[str, Any] = {"call": "c1", "target": "f", "function": "nlp/f", "version": 1, "principal": "ivan"}
    fields |= {"team": "nlp", "accepted_us": 1, "state": "FAILED", "ended_us": 2, "attempts": 1, "code": "timeout"}
    return Ending(webhook=webhook, **fields, problem=json.dumps({"detail": "late"}))
