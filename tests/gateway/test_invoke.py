"""A call: who may make it, what of it reaches the executor and the journal, and what comes back."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from pathlib import Path

import msgspec
import pytest

from rayfaas.config import Limits
from rayfaas.context import MAX_CONTEXT
from rayfaas.envelope import AccessBody, ResultHeader
from rayfaas.errors import FunctionError, InvalidArguments, MalformedBody, RayfaasError, UnsupportedMediaType
from rayfaas.frames import Kind
from rayfaas.gateway.call_access import CallAccess, Claims
from rayfaas.records import CallEnded, CallStarted
from tests.gateway.controller import version_route
from tests.gateway.disk import full_disk
from tests.gateway.small import HOME_KEY, URL, SmallGateway
from tests.gateway.sockets import Client, post, served
from tests.waiting import eventually

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


def call_token(claims: Claims, key: bytes = HOME_KEY) -> str:
    return msgspec.msgpack.decode(CallAccess(key, URL).issue(claims), type=AccessBody).token


def parent(deadline: float | None = None) -> Claims:
    return Claims("the-parent", "the-root", "ann", "nlp", deadline or time.time() + 60)


async def runs_nothing(gateway: SmallGateway) -> None:
    """No call was recorded, and an executor that comes now is sent none."""
    executor = await gateway.executor()
    await executor.drain()
    assert executor.received == []
    assert gateway.records() == []


# The road


async def test_a_call_reaches_the_function_and_its_result_the_caller(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    exchange = gateway.call(b'{"x": 1}', Content_Type="application/json")
    call = await executor.call()
    assert (call.body, call.header.content_type) == (b'{"x": 1}', "application/json")
    assert (call.header.principal, call.header.team, call.header.parent_id) == ("ivan", "nlp", None)
    assert call.header.root_id == call.header.call_id
    call.returns({"y": 2})
    answer = await exchange.answer()
    assert (answer.status, answer.json()) == (200, {"y": 2})


async def test_an_answer_says_which_call_of_which_version_it_was(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    executor.answers(lambda call: call.returns(None))
    by_alias, pinned = await gateway.call().answer(), await gateway.call(target="embed:1").answer()
    assert by_alias.headers["rayfaas-call-id"] == executor.received[0].header.call_id
    assert (by_alias.headers["rayfaas-version"], by_alias.headers["rayfaas-alias"]) == ("1", "live")
    assert by_alias.headers["server-timing"].endswith("run;dur=50.00")
    assert by_alias.headers["content-length"] == "4"
    assert "rayfaas-alias" not in pinned.headers


async def test_the_context_of_a_call_goes_with_the_calls_that_it_makes(gateway: SmallGateway) -> None:
    executor = await gateway.executor(concurrency=2)
    parent = gateway.call(Rayfaas_Context='{"flow": "f"}')
    running = await executor.call()
    token = (await running.access()).token
    child = gateway.request("POST", "/call/embed", b"2", token, {"Rayfaas-Context": '{"flow": "forged"}'})
    for call in (await executor.call(), running):
        call.returns(0)
    await asyncio.gather(parent.answer(), child.answer())
    assert [start.context for start in gateway.starts()] == ['{"flow": "f"}'] * 2


async def test_a_call_may_call_and_not_look_up_what_its_callers_team_did(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    calling = gateway.call()
    running = await executor.call()
    token = (await running.access()).token
    gateway.controller.answers["functions"] = []
    assert (await gateway.ask("GET", "/v1/functions", who=token)).status == 200
    for method, path in (("POST", "/v1/sql"), ("GET", "/v1/usage"), ("GET", "/v1/lineage"), ("GET", "/v1/logs")):
        answer = await gateway.ask(method, path, b'{"sql": "SELECT 1"}', token)
        assert (answer.status, answer.code) == (403, "forbidden")
    running.returns(0)
    await calling.answer()


async def test_a_call_is_in_the_trace_of_its_traceparent_and_so_is_what_it_calls(gateway: SmallGateway) -> None:
    executor = await gateway.executor(concurrency=2)
    parent = gateway.call(traceparent=TRACEPARENT, Rayfaas_Context='{"flow": "f"}')
    running = await executor.call()
    token = (await running.access()).token
    child = gateway.request("POST", "/call/embed", b"2", token)
    for call in (await executor.call(), running):
        assert call.header.trace == TRACE
        call.returns(0)
    await asyncio.gather(parent.answer(), child.answer())
    trace = {"id": TRACE, "span": "00f067aa0ba902b7"}
    assert [json.loads(start.context or "") for start in gateway.starts()] == [{"flow": "f", "trace": trace}] * 2


async def test_a_traceparent_that_is_none_is_ignored(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    executor.answers(lambda call: call.returns(call.header.trace))
    for header in ("", "00-xyz", f"ff{TRACEPARENT[2:]}"):
        assert (await gateway.call(traceparent=header).answer()).json() == ""
    assert [start.context for start in gateway.starts()] == [None] * 3


async def test_a_context_that_is_too_long_is_refused(gateway: SmallGateway) -> None:
    answer = await gateway.call(Rayfaas_Context="x" * (MAX_CONTEXT + 1)).answer()
    assert (answer.status, answer.code) == (400, "bad_request")
    assert gateway.starts() == []


async def test_a_call_has_a_start_and_an_end_in_the_journal(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    executor.answers(lambda call: call.returns([1, 2]))
    await gateway.call(b"12345", "nlp/embed@live", "otto", Rayfaas_Context='{"flow": "f"}').answer()
    start, end = gateway.records()
    assert isinstance(start, CallStarted)
    assert isinstance(end, CallEnded)
    assert (start.target, start.function, start.version, start.alias, start.alias_revision) == (
        "nlp/embed@live", "nlp/embed", 1, "live", 4,
    )  # fmt: skip
    assert (start.principal, start.team, start.owner, start.bytes_in) == ("otto", "vision", "nlp", 5)
    assert (start.context, start.gateway) == ('{"flow": "f"}', gateway.journal.instance)
    assert (end.call, end.state, end.bytes_out, end.run_us) == (start.call, "SUCCEEDED", 6, 50_000)
    assert end.executor == executor.ready_header.executor


async def test_a_call_is_recorded_before_the_executor_has_it_and_ended_before_the_caller_hears(
    gateway: SmallGateway,
) -> None:
    executor = await gateway.executor()
    exchange = gateway.call()
    call = await executor.call()
    assert [start.call for start in gateway.starts()] == [call.header.call_id]
    exchange.reads.clear()
    call.returns(1)
    await eventually(lambda: exchange.has_answer)
    assert gateway.end_of(call.header.call_id).state == "SUCCEEDED"
    exchange.reads.set()
    await exchange.answer()


async def test_what_the_function_raised_is_answered_as_its_own_problem(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    error = FunctionError("ValueError: é", exception="ValueError", message="é", traceback="Traceback …")
    executor.answers(lambda call: call.fails(error))
    answer = await gateway.call().answer()
    call_id = answer.headers["rayfaas-call-id"]
    assert (answer.status, answer.code) == (500, "function_error")
    assert answer.json() == {
        "type": "urn:rayfaas:problem:function_error",
        "title": "The function raised an exception",
        "status": 500,
        "detail": "ValueError: é",
        "code": "function_error",
        "retryable": False,
        "exception": "ValueError",
        "message": "é",
        "traceback": "Traceback …",
        "call": call_id,
    }
    assert gateway.end_of(call_id).state == "FAILED"


async def test_an_answer_that_would_break_out_of_its_header_is_a_failed_call(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    exchange = gateway.call()
    call = await executor.call()
    header = msgspec.msgpack.encode(ResultHeader("text/plain\r\nSet-Cookie: a=b", 1, 1, 1, 0))
    executor.send(Kind.RESULT, call.number, header, b"x")
    answer = await exchange.answer()
    assert (answer.status, answer.json()["code"], "set-cookie" in answer.headers) == (500, "internal", False)
    assert [(end.state, end.code) for end in gateway.ends()] == [("FAILED", "internal")]


@pytest.mark.parametrize("kind", [MalformedBody, InvalidArguments, UnsupportedMediaType])
async def test_arguments_that_do_not_reach_the_function_are_the_callers_fault(
    gateway: SmallGateway, kind: type[RayfaasError]
) -> None:
    executor = await gateway.executor()
    executor.answers(lambda call: call.fails(kind("no"), started_us=0))
    answer = await gateway.call(b"{", Content_Type="text/csv").answer()
    assert (answer.status, answer.code, answer.json()["retryable"]) == (kind.status, kind.code, False)
    end = gateway.end_of(answer.headers["rayfaas-call-id"])
    assert (end.state, end.code, end.run_us) == ("REJECTED", kind.code, None)


@pytest.mark.parametrize("body", [b"", b"\xff\xfe\x00", b"{", b'{"a": NaN}', bytes(range(256)) * 20])
async def test_any_bytes_reach_the_executor_as_they_were_sent(gateway: SmallGateway, body: bytes) -> None:
    executor = await gateway.executor()
    executor.answers(lambda call: call.returns(len(call.body)))
    assert (await gateway.call(body, Content_Type="application/json; charset=é").answer()).json() == len(body)
    assert executor.bodies == [body]
    assert executor.received[0].header.content_type == "application/json; charset=é"


# Who may


@pytest.mark.parametrize("who", [None, "", "nobody", "ivan ivan", "rc_", "rc_AAAA", "rc_é"])
async def test_who_is_not_known_may_not_call(gateway: SmallGateway, who: str | None) -> None:
    answer = await gateway.ask("POST", "/call/embed", who=who)
    assert (answer.status, answer.code) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    await runs_nothing(gateway)


async def test_a_viewer_may_not_call(gateway: SmallGateway) -> None:
    answer = await gateway.call(who="vera").answer()
    assert (answer.status, answer.code) == (403, "forbidden")
    await runs_nothing(gateway)


@pytest.mark.parametrize("who", ["ivan", "dora", "ada", "otto", "root"])
async def test_all_others_may_call_what_any_team_has(gateway: SmallGateway, who: str) -> None:
    executor = await gateway.executor()
    executor.answers(lambda call: call.returns(1))
    assert (await gateway.call(who=who, target="nlp/embed").answer()).status == 200


async def test_a_revoked_token_calls_no_more(gateway: SmallGateway) -> None:
    await gateway.controller.set_tokens(("ada", "nlp", "admin"))
    assert (await gateway.call().answer()).status == 401
    await runs_nothing(gateway)


# Bad requests


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD", "PATCH", "post"])
async def test_functions_are_called_with_post_only(gateway: SmallGateway, method: str) -> None:
    answer = await gateway.ask(method, "/call/embed")
    assert (answer.status, answer.code, answer.headers["allow"]) == (405, "method_not_allowed", "POST")
    await runs_nothing(gateway)


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("", 400), ("../embed", 400), ("nlp/embed/", 400), ("nlp//embed", 400), ("embed:0", 400), ("embed\n", 400),
        ("embed;v=1", 400), ("é", 400), ("embed" * 100, 400), ("nothing", 404), ("embed:3", 404), ("embed@x", 404),
        ("vision/embed", 404),
    ],
)  # fmt: skip
async def test_a_target_that_means_nothing_runs_nothing(gateway: SmallGateway, target: str, status: int) -> None:
    answer = await gateway.call(target=target).answer()
    assert (answer.status, answer.json()["status"]) == (status, status)
    await runs_nothing(gateway)


@pytest.mark.parametrize("timeout", ["nan", "-1", "0", "-0.0", "abc", "", "1s", "-inf", "1e", "0x10", "é", "1,5"])
async def test_a_timeout_that_is_no_time_is_a_bad_request(gateway: SmallGateway, timeout: str) -> None:
    answer = await gateway.call(Rayfaas_Timeout=timeout).answer()
    assert (answer.status, answer.code) == (400, "bad_request")
    assert "Rayfaas-Timeout" in answer.json()["detail"]
    await runs_nothing(gateway)


@pytest.mark.parametrize(("asked", "seconds"), [("2.5", 2.5), ("1e3", 30.0), ("inf", 30.0), ("1e999", 30.0)])
async def test_a_call_may_ask_for_less_time_than_its_function_has_and_not_for_more(
    gateway: SmallGateway, asked: str, seconds: float
) -> None:
    executor = await gateway.executor()
    exchange = gateway.call(Rayfaas_Timeout=asked)
    call = await executor.call()
    accepted_s = gateway.starts()[0].accepted_us / 1e6
    assert call.header.deadline == pytest.approx(accepted_s + seconds, abs=1e-3)
    call.returns(1)
    await exchange.answer()


async def test_a_result_in_a_form_that_nobody_can_make_is_refused_before_anything_runs(gateway: SmallGateway) -> None:
    answer = await gateway.call(Accept="image/tiff").answer()
    assert (answer.status, answer.code) == (406, "not_acceptable")
    await runs_nothing(gateway)


@pytest.mark.parametrize(
    "headers",
    [{"Rayfaas-Logs": b""}, {"Content-Type": b"\x80"}],
)
async def test_headers_that_are_no_text_do_no_harm(gateway: SmallGateway, headers: dict[str, bytes]) -> None:
    executor = await gateway.executor()
    executor.answers(lambda call: call.returns(1))
    answer = await gateway.ask("POST", "/call/embed", b"1", headers=headers)
    assert (answer.status, len(gateway.records())) == (200, 2)


# Bodies


async def test_a_body_that_says_it_is_too_long_is_refused_unread(run_dir: Path) -> None:
    async with SmallGateway(run_dir, Limits(max_body=10)) as gateway:
        headers = {"Content-Length": "11"}
        exchange = gateway.request("POST", "/call/embed", [b"1"], headers=headers, whole=False)
        answer = await exchange.answer()
        assert (answer.status, answer.code, answer.json()["limit"]) == (413, "body_too_large", 10)
        await runs_nothing(gateway)


async def test_a_body_that_does_not_say_how_long_it_is_is_cut_off_at_the_limit(run_dir: Path) -> None:
    async with SmallGateway(run_dir, Limits(max_body=10)) as gateway:
        exchange = gateway.request("POST", "/call/embed", [b"12345", b"12345", b"6"], whole=False)
        assert (await exchange.answer()).code == "body_too_large"
        await runs_nothing(gateway)


async def test_a_body_that_is_longer_than_it_says_is_refused(run_dir: Path) -> None:
    async with SmallGateway(run_dir, Limits(max_body=10)) as gateway:
        headers = {"Content-Length": "3"}
        exchange = gateway.request("POST", "/call/embed", [b"123", b"12345678"], headers=headers)
        assert (await exchange.answer()).status == 413
        await runs_nothing(gateway)


@pytest.mark.parametrize("pieces", [[b"1234567890"], [b"12345", b"", b"67890"], [b"", b"1234567890", b""]])
async def test_a_body_of_just_the_limit_passes_whatever_pieces_it_comes_in(run_dir: Path, pieces: list[bytes]) -> None:
    async with SmallGateway(run_dir, Limits(max_body=10)) as gateway:
        executor = await gateway.executor()
        executor.answers(lambda call: call.returns(1))
        assert (await gateway.ask("POST", "/call/embed", pieces)).status == 200
        assert executor.bodies == [b"1234567890"]


async def test_a_client_that_goes_in_the_middle_of_its_body_runs_nothing(gateway: SmallGateway) -> None:
    exchange = gateway.request("POST", "/call/embed", [b'{"delete": "', b"some"], whole=False)
    await asyncio.wait([exchange.task], timeout=0)
    await exchange.left()
    await runs_nothing(gateway)


# A full disk


async def test_a_call_that_can_not_be_recorded_is_not_run(gateway: SmallGateway) -> None:
    with full_disk():
        answer = await gateway.call().answer()
    assert (answer.status, answer.code, answer.headers["retry-after"]) == (503, "unavailable", "1")
    await runs_nothing(gateway)


async def test_a_call_that_ran_while_the_disk_filled_up_is_answered_and_its_end_kept(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    exchange = gateway.call()
    call = await executor.call()
    with full_disk():
        call.returns("done")
        assert (await exchange.answer()).json() == "done"
    assert gateway.ends() == []
    executor.answers(lambda call: call.returns("done"))
    await gateway.call().answer()
    assert gateway.end_of(call.header.call_id).state == "SUCCEEDED"


# Calls of calls


async def test_a_calls_token_makes_its_calls_children_of_it(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    executor.answers(lambda call: call.returns(1))
    token = call_token(parent())
    answer = await gateway.call(who=token, Rayfaas_Parent="another", Rayfaas_Root="another").answer()
    assert answer.status == 200
    header = executor.received[0].header
    assert (header.parent_id, header.root_id, header.principal, header.team) == ("the-parent", "the-root", "ann", "nlp")
    (start,) = gateway.starts()
    assert (start.parent, start.root, start.principal) == ("the-parent", "the-root", "ann")


async def test_a_child_has_no_more_time_than_its_parent(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    deadline = time.time() + 5
    exchange = gateway.call(who=call_token(parent(deadline)), Rayfaas_Timeout="20")
    call = await executor.call()
    assert call.header.deadline == pytest.approx(deadline, abs=0.1)
    call.returns(1)
    await exchange.answer()


async def test_a_calls_token_is_worth_no_more_than_an_invokers(gateway: SmallGateway) -> None:
    token = call_token(parent())
    assert (await gateway.ask("GET", "/v1/whoami", who=token)).json()["role"] == "invoker"
    for method, url in [("POST", "/v1/functions/nlp/embed/versions"), ("GET", "/v1/tokens"), ("POST", "/v1/tokens")]:
        assert (await gateway.ask(method, url, b"{}", token)).status == 403


@pytest.mark.parametrize("which", ["forged", "another home's", "expired", "truncated", "changed"])
async def test_a_calls_token_that_is_not_good_calls_nothing(gateway: SmallGateway, which: str) -> None:
    good = call_token(parent())
    signed = base64.urlsafe_b64decode(good.removeprefix("rc_"))
    token = {
        "forged": "rc_" + base64.urlsafe_b64encode(msgspec.msgpack.encode(parent()) + bytes(16)).decode(),
        "another home's": call_token(parent(), b"another key"),
        "expired": call_token(parent(time.time() - 1)),
        "truncated": good[:-4],
        "changed": "rc_" + base64.urlsafe_b64encode(signed.replace(b"ann", b"bob")).decode(),
    }[which]
    assert (await gateway.call(who=token).answer()).code == "unauthenticated"
    await runs_nothing(gateway)


async def test_without_a_calls_token_nobody_can_say_which_call_is_the_parent(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    executor.answers(lambda call: call.returns(1))
    await gateway.call(Rayfaas_Parent="p", Rayfaas_Root="r").answer()
    (start,) = gateway.starts()
    assert (start.parent, start.root) == (None, start.call)


# Clients go, calls are cancelled


async def test_a_client_that_goes_before_its_answer_cancels_its_call(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    exchange = gateway.call()
    call = await executor.call()
    await exchange.left()
    await eventually(lambda: call.cancelled == "cancelled")
    assert gateway.end_of(call.header.call_id).state == "CANCELLED"
    executor.answers(lambda call: call.returns("next"))
    call.returns("too late")
    assert (await gateway.call().answer()).json() == "next"


async def test_a_gateway_that_is_told_to_stop_ends_its_calls_as_cancelled(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    exchange = gateway.call()
    call = await executor.call()
    exchange.task.cancel()
    await asyncio.wait([exchange.task])
    assert gateway.end_of(call.header.call_id).state == "CANCELLED"
    await eventually(lambda: call.cancelled == "cancelled")


# Over a socket

IVAN = "Authorization: Bearer ivan"


async def test_a_call_over_a_socket_is_answered_and_the_connection_kept(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    executor.answers(lambda call: call.returns(call.body.decode()))
    async with served(gateway.app) as port:
        client = await Client.connect(port)
        for body in (b"1", b"", b"x" * 300_000):
            await client.send(post("/call/embed", body, IVAN))
            assert (await client.answer()).json() == body.decode()
        await client.close()


async def test_a_client_whose_connection_breaks_cancels_its_call(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    async with served(gateway.app) as port:
        client = await Client.connect(port)
        await client.send(post("/call/embed", b"1", IVAN))
        call = await executor.call()
        await client.reset()
        await eventually(lambda: call.cancelled == "cancelled")
        await eventually(gateway.ends)
    assert gateway.end_of(call.header.call_id).state == "CANCELLED"


async def test_a_client_whose_connection_breaks_stops_its_stream(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    async with served(gateway.app) as port:
        client = await Client.connect(port)
        await client.send(post("/call/embed", b"1", IVAN, "Accept: application/x-ndjson"))
        call = await executor.call()
        call.yields(1)
        while await client.line() != b'{"item":1}\n':
            pass
        await client.reset()
        await eventually(lambda: call.cancelled == "cancelled")


@pytest.mark.parametrize("encoded", ["%6elp%2Fembed", "nlp/%65mbed", "embed%40live", "embed%3A1"])
async def test_a_target_may_be_percent_encoded(gateway: SmallGateway, encoded: str) -> None:
    executor = await gateway.executor()
    executor.answers(lambda call: call.returns(1))
    async with served(gateway.app) as port:
        client = await Client.connect(port)
        await client.send(post(f"/call/{encoded}", b"1", IVAN))
        assert (await client.answer()).status == 200
        await client.close()


# Functions that are being replaced


async def parked(gateway: SmallGateway, is_parked: bool = True, live: int = 1) -> None:
    versions = [version_route(1), version_route(2)]
    await gateway.controller.set_function("nlp/embed", versions, {"live": (live, 4 + live)}, is_parked)


async def test_a_call_of_what_is_being_replaced_waits_and_goes_to_the_next_version(gateway: SmallGateway) -> None:
    await parked(gateway)
    new = await gateway.executor(version=2)
    new.answers(lambda call: call.returns("new"))
    call = gateway.call(b"[1]")
    await gateway.call(b"[1]", Rayfaas_Timeout="0.001").answer()
    assert gateway.starts() == []
    await parked(gateway, is_parked=False, live=2)
    answer = await call.answer()
    assert (answer.json(), answer.headers["rayfaas-version"], answer.headers["rayfaas-cold"]) == ("new", "2", "1")
    (start,) = gateway.starts()
    end = gateway.end_of(start.call)
    assert (start.version, end.cold) == (2, "the function was being replaced")
    assert new.received[0].body == b"[1]"
    assert new.received[0].header.deadline == pytest.approx(start.accepted_us / 1e6 + 30.0, abs=0.001)


async def test_who_has_waited_long_enough_for_a_replacement_is_told(gateway: SmallGateway) -> None:
    await parked(gateway)
    answer = await gateway.call(Rayfaas_Timeout="0.001").answer()
    assert (answer.status, answer.json()["code"], answer.json()["retryable"]) == (503, "no_capacity", True)
    assert "still being replaced after 0.0 s" in answer.json()["detail"]


async def test_the_method_is_told_to_the_executor_and_recorded(gateway: SmallGateway) -> None:
    await gateway.controller.set_function("nlp/Model", [version_route(1, methods=["predict"])], {"live": (1, 1)})
    executor = await gateway.executor(function="nlp/Model")
    executor.answers(lambda call: call.returns(call.header.method))
    answer = await gateway.call(target="Model.predict").answer()
    assert answer.json() == "predict"
    (start,) = gateway.starts()
    assert (start.target, start.function, start.method) == ("Model.predict", "nlp/Model", "predict")


@pytest.mark.parametrize(
    "context",
    [b"no json", b"[1]", b"3", b'{"a": }', b"{" * 3000, b"\xff\xfe", b'{"a": "\xff"}', b'{"a": ' + b"[" * 2000],
)
async def test_a_context_that_is_no_json_object_is_refused(gateway: SmallGateway, context: bytes) -> None:
    answer = await gateway.ask("POST", "/call/embed", b"1", headers={"Rayfaas-Context": context})
    assert (answer.status, answer.code) == (400, "bad_request")
    await runs_nothing(gateway)


async def test_a_context_is_recorded_as_it_is(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    executor.answers(lambda call: call.returns(None))
    for context in ('{"flow": "nightly", "n": {"a": [1, 2]}}', "{}"):
        assert (await gateway.call(Rayfaas_Context=context).answer()).status == 200
    assert [start.context for start in gateway.starts()] == ['{"flow": "nightly", "n": {"a": [1, 2]}}', "{}"]
