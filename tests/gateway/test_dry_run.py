"""A dry run: what the call would be refused with, without a call."""

from __future__ import annotations

import json
import pickle

import pytest

from rayfaas.errors import InvalidArguments
from rayfaas.wire import ARROW, PICKLE
from tests.gateway.asgi import Answer
from tests.gateway.small import SmallGateway
from tests.waiting import eventually

VALIDATE = {"Prefer": "validate-only"}


async def dry_run(gateway: SmallGateway, target: str = "embed", body: bytes = b"1", **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await gateway.ask("POST", f"/call/{target}", body, headers=VALIDATE | named)


async def test_an_executor_that_is_up_is_asked_and_nothing_is_called_or_recorded(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    asked = gateway.request("POST", "/call/nlp/embed@live", b'{"x": 1}', headers=VALIDATE)
    check = await executor.check()
    assert (check.body, check.header.principal) == (b'{"x": 1}', "ivan")
    check.returns(None)
    answer = await asked.answer()
    assert (answer.status, answer.headers["preference-applied"]) == (200, "validate-only")
    assert answer.json() == {
        "target": "nlp/embed@live",
        "function": "nlp/embed",
        "version": 1,
        "alias": "live",
        "checked": ["target", "rights", "body", "arguments"],
        "unchecked": {},
    }
    assert (executor.received, gateway.records()) == ([], [])


async def test_the_executors_no_is_the_answer(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    asked = gateway.request("POST", "/call/embed", b"{}", headers=VALIDATE)
    check = await executor.check()
    check.fails(InvalidArguments("x is missing", errors=[{"loc": ["x"]}]), started_us=0)
    answer = await asked.answer()
    assert (answer.status, answer.code, answer.json()["errors"]) == (422, "invalid_arguments", [{"loc": ["x"]}])
    assert gateway.records() == []


async def test_where_no_executor_is_up_it_says_so_and_starts_none(gateway: SmallGateway) -> None:
    answer = await dry_run(gateway, "embed:2")
    told = answer.json()
    assert (answer.status, told["version"], told["alias"]) == (200, 2, None)
    assert told["checked"] == ["target", "rights", "body"]
    assert "No executor" in told["unchecked"]["arguments"]
    assert gateway.controller.demanded == []


async def test_an_executor_that_ends_or_is_busy_has_checked_nothing(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    asked = gateway.request("POST", "/call/embed", b"1", headers=VALIDATE)
    await executor.check()
    await executor.die()
    assert "ended" in (await asked.answer()).json()["unchecked"]["arguments"]
    busy = await gateway.executor()
    answer = await dry_run(gateway, Rayfaas_Timeout="0.01")
    assert (answer.status, "busy" in answer.json()["unchecked"]["arguments"]) == (200, True)
    check = await busy.check()
    await eventually(lambda: check.cancelled)
    check.returns(None)  # too late: nobody is told


@pytest.mark.parametrize(
    ("target", "body", "headers", "status", "code"),
    [
        ("nothing", b"1", {}, 404, "not_found"),
        ("embed:9", b"1", {}, 404, "not_found"),
        ("a/b/c", b"1", {}, 400, "bad_request"),
        ("embed", b"{", {}, 400, "malformed_body"),
        ("embed", b"1", {"Rayfaas-Timeout": "soon"}, 400, "bad_request"),
        ("embed", b"1", {"Accept": "text/html"}, 406, "not_acceptable"),
        ("embed", b"1", {"Authorization": "Bearer vera"}, 403, "forbidden"),
        ("embed", b"1", {"Authorization": "Bearer nobody"}, 401, "unauthenticated"),
    ],
)
async def test_it_is_refused_as_the_call_would_be(
    gateway: SmallGateway, target: str, body: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    answer = await dry_run(gateway, target, body, **headers)
    assert (answer.status, answer.code) == (status, code)
    executor = await gateway.executor()
    executor.answers(lambda call: call.returns(None))
    if code != "malformed_body":  # which an executor finds
        assert (await gateway.ask("POST", f"/call/{target}", body, headers=headers)).code == code


class Bomb:
    def __reduce__(self) -> tuple[object, ...]:
        return pytest.fail, ("the gateway ran code of a caller",)


@pytest.mark.parametrize("content_type", [PICKLE, ARROW, "application/vnd.rayfaas.arguments+msgpack", "text/xml"])
async def test_only_an_executor_reads_what_is_not_json(gateway: SmallGateway, content_type: str) -> None:
    sent = {"who": "dora", "headers": VALIDATE | {"Content-Type": content_type}}
    unread = (await gateway.ask("POST", "/call/embed", pickle.dumps(Bomb()), **sent)).json()  # type: ignore[arg-type]
    assert (unread["checked"], set(unread["unchecked"])) == (["target", "rights"], {"body", "arguments"})
    executor = await gateway.executor()
    asked = gateway.request("POST", "/call/embed", pickle.dumps(Bomb()), **sent)  # type: ignore[arg-type]
    (await executor.check()).returns(None)
    read = (await asked.answer()).json()
    assert (read["checked"], read["unchecked"]) == (["target", "rights", "body", "arguments"], {})


async def test_a_dry_run_counts_as_no_load_and_other_calls_pass_it(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    asked = gateway.request("POST", "/call/embed", b"1", headers=VALIDATE)
    check = await executor.check()
    assert gateway.dispatcher.load() == {}
    call = gateway.call(b"2")
    (await executor.call()).returns(4)
    assert (await call.answer()).json() == 4
    check.returns(None)
    assert "arguments" in (await asked.answer()).json()["checked"]


async def test_with_a_key_or_respond_async_it_is_still_a_dry_run(gateway: SmallGateway) -> None:
    answer = await dry_run(gateway, Prefer="respond-async, validate-only", Idempotency_Key="k")
    assert json.loads(answer.body)["function"] == "nlp/embed"
    assert gateway.records() == []
