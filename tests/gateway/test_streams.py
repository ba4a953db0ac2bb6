"""An answer in pieces: each item as it comes, no more than the client takes, and `done` or `error` at its end."""

from __future__ import annotations

import json

import pytest

from rayfaas.errors import CallTimeout, FunctionError, NotAcceptable
from rayfaas.gateway.formats import NdjsonFormat, format_for
from rayfaas.gateway.http import ON_GONE
from rayfaas.gateway.pending import CREDIT
from rayfaas.gateway.streams import MOST_AT_ONCE
from tests.gateway.asgi import Answer, Exchange
from tests.gateway.executor import ReceivedCall
from tests.gateway.small import SmallGateway
from tests.waiting import eventually

NDJSON, SSE, JSON = "application/x-ndjson", "text/event-stream", "application/json"
BOOM = FunctionError("ValueError: boom", exception="ValueError", message="boom", traceback="Traceback …")


async def begun(gateway: SmallGateway, accept: str = NDJSON, **headers: str) -> tuple[Exchange, ReceivedCall]:
    """A call that an executor has, and its exchange with the client."""
    executor = await gateway.executor()
    named = {"Accept": accept} | {name.replace("_", "-"): value for name, value in headers.items()}
    return gateway.request("POST", "/call/embed", b"1", headers=named), await executor.call()


def events(answer: Answer) -> list[tuple[str, object]]:
    """The server-sent events of an answer: their names and data."""
    *blocks, rest = answer.body.decode().split("\n\n")
    assert rest == ""
    found: list[tuple[str, object]] = []
    for block in blocks:
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        assert set(fields) <= {"event", "data"}
        found.append((fields.get("event", ""), json.loads(fields["data"])))
    return found


# Which form


@pytest.mark.parametrize(
    ("accept", "content_type", "is_stream"),
    [
        (None, NDJSON, False), (b"*/*", NDJSON, False), (b"application/json", JSON, False),
        (b"text/event-stream", SSE, True), (b"application/x-ndjson", NDJSON, True),
        (b"application/jsonl", NDJSON, True), (b"Application/JSON;q=0.9", JSON, False),
        (b"text/html, application/json", JSON, False),
        (b"text/html, */*;q=0.1", NDJSON, False), (b"application/*", NDJSON, False),
        (b" text/event-stream ; charset=utf-8", SSE, True),
    ],
)  # fmt: skip
def test_accept_says_in_which_form(accept: bytes | None, content_type: str, is_stream: bool) -> None:
    format = format_for({b"accept": accept} if accept is not None else {})
    assert (format.content_type, format.is_stream) == (content_type, is_stream)


@pytest.mark.parametrize(
    "accept", [b"text/html", b"image/tiff", b",", b";", b"\xff\xfe", b"json", b"application/jsonx"]
)
def test_what_can_not_be_made_is_not_acceptable(accept: bytes) -> None:
    with pytest.raises(NotAcceptable, match="this can answer"):
        format_for({b"accept": accept})


def test_only_what_comes_in_pieces_carries_logs() -> None:
    assert isinstance(format_for({}), NdjsonFormat)
    carries = {accept: format_for({b"accept": accept.encode()}).carries_logs for accept in (NDJSON, SSE, JSON)}
    assert carries == {NDJSON: True, SSE: True, JSON: False}


# Items


async def test_ndjson_is_an_object_a_line_with_done_at_last(gateway: SmallGateway) -> None:
    exchange, call = await begun(gateway, NDJSON)
    call.yields(1, {"a": "ü\n"}, None)
    call.ends(3)
    answer = await exchange.answer()
    assert (answer.status, answer.headers["content-type"], answer.headers["cache-control"]) == (200, NDJSON, "no-store")
    assert answer.lines()[:-1] == [{"item": 1}, {"item": {"a": "ü\n"}}, {"item": None}]
    assert answer.lines()[-1] == {"done": {"call": call.header.call_id, "items": 3}}
    assert answer.headers["rayfaas-call-id"] == call.header.call_id
    end = gateway.end_of(call.header.call_id)
    assert (end.state, end.items, end.bytes_out) == ("SUCCEEDED", 3, len(answer.body))


async def test_server_sent_events_are_items_with_done_at_last(gateway: SmallGateway) -> None:
    exchange, call = await begun(gateway, SSE)
    call.yields(1, "a\n\nevent: done\ndata: {}", {"b": 2})
    call.ends(3)
    answer = await exchange.answer()
    assert answer.headers["content-type"] == SSE
    items = [("", 1), ("", "a\n\nevent: done\ndata: {}"), ("", {"b": 2})]
    assert events(answer) == [*items, ("done", {"call": call.header.call_id, "items": 3})]


@pytest.mark.parametrize("items", [[], [1], [1, [2], "]"]])
async def test_json_is_one_array_of_all_items(gateway: SmallGateway, items: list[object]) -> None:
    exchange, call = await begun(gateway, JSON)
    call.yields(*items)
    call.ends(len(items))
    answer = await exchange.answer()
    assert (answer.status, answer.headers["content-type"], answer.json()) == (200, JSON, items)


async def test_who_takes_anything_gets_a_generator_as_ndjson_and_a_result_as_json(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    exchange = gateway.call()
    call = await executor.call()
    call.yields(1)
    call.ends(1)
    assert (await exchange.answer()).headers["content-type"] == NDJSON
    executor.answers(lambda call: call.returns([1]))
    answer = await gateway.call().answer()
    assert (answer.headers["content-type"], answer.json()) == (JSON, [1])


async def test_one_result_is_a_stream_of_one_where_a_stream_is_asked_for(gateway: SmallGateway) -> None:
    exchange, call = await begun(gateway, NDJSON)
    call.returns({"x": 1})
    assert (await exchange.answer()).lines() == [
        {"item": {"x": 1}}, {"done": {"call": call.header.call_id, "items": 1, "single": True}},
    ]  # fmt: skip


async def test_a_generator_without_items_is_a_stream_of_none(gateway: SmallGateway) -> None:
    exchange, call = await begun(gateway, SSE)
    call.ends(0)
    assert events(await exchange.answer()) == [("done", {"call": call.header.call_id, "items": 0})]


async def test_each_item_is_sent_as_it_comes(gateway: SmallGateway) -> None:
    exchange, call = await begun(gateway, NDJSON)
    for number in range(3):
        call.yields(number)
        assert json.loads(await exchange.piece()) == {"item": number}
    call.ends(3)
    assert b"done" in await exchange.piece()


async def test_thousands_of_items_come_whole_and_in_order(gateway: SmallGateway) -> None:
    exchange, call = await begun(gateway, NDJSON)
    for number in range(3_000):
        call.yields(number)
    call.ends(3_000)
    *items, done = (await exchange.answer()).lines()
    assert [item["item"] for item in items] == list(range(3_000))
    assert done["done"]["items"] == 3_000


# Credit


async def test_credit_is_granted_as_the_client_takes_items(gateway: SmallGateway) -> None:
    exchange, call = await begun(gateway, NDJSON)
    assert call.credit == CREDIT
    call.yields(*range(CREDIT))
    taken = 0
    while taken < CREDIT:
        taken += (await exchange.piece()).count(b"\n")
    await eventually(lambda: call.credit == 2 * CREDIT)
    call.ends(CREDIT)
    await exchange.answer()


async def test_items_that_came_together_go_out_in_pieces_of_some_size(gateway: SmallGateway) -> None:
    exchange, call = await begun(gateway, NDJSON)
    exchange.reads.clear()
    call.yields(*["x" * 40_000] * 8)
    call.ends(8)
    exchange.reads.set()
    sizes = [len(await exchange.piece()) for _ in range(3)]
    assert max(sizes) < MOST_AT_ONCE + 40_100
    assert (await exchange.answer()).lines()[-1]["done"]["items"] == 8


async def test_a_client_that_does_not_read_is_granted_nothing(gateway: SmallGateway) -> None:
    executor = await gateway.executor(concurrency=2)
    slow = gateway.call(b"slow", Accept=NDJSON)
    slow.reads.clear()
    call = await executor.call()
    call.yields(*range(CREDIT))
    executor.answers(lambda call: call.returns("fine"))
    assert (await gateway.call(b"other").answer()).json() == "fine"
    assert call.credit == CREDIT
    slow.reads.set()
    await eventually(lambda: call.credit == 2 * CREDIT)
    call.ends(CREDIT)
    assert len((await slow.answer()).lines()) == CREDIT + 1


# Logs


async def test_output_comes_between_the_items_where_it_is_asked_for(gateway: SmallGateway) -> None:
    exchange, call = await begun(gateway, NDJSON, Rayfaas_Logs="1")
    call.prints("before\n")
    call.yields(1)
    call.prints(b"\xff bytes", "stderr")
    call.prints("careful", "log", "WARNING")
    call.ends(1)
    lines = (await exchange.answer()).lines()
    assert [next(iter(line)) for line in lines] == ["log", "item", "log", "log", "done"]
    texts = [(line["log"]["stream"], line["log"]["level"], line["log"]["text"]) for line in lines if "log" in line]
    assert texts == [("stdout", None, "before\n"), ("stderr", None, "\ufffd bytes"), ("log", "WARNING", "careful")]
    assert [log.text for log in gateway.logs()] == ["before\n", "\ufffd bytes", "careful"]


async def test_output_is_an_event_of_its_own_in_server_sent_events(gateway: SmallGateway) -> None:
    exchange, call = await begun(gateway, SSE, Rayfaas_Logs="1")
    call.prints("line\n\nevent: done")
    call.returns(1)
    names = [name for name, _ in events(await exchange.answer())]
    assert names == ["log", "", "done"]


@pytest.mark.parametrize(("accept", "logs"), [(JSON, {"Rayfaas_Logs": "1"}), (NDJSON, {}), ("*/*", {})])
async def test_output_is_recorded_and_not_sent_where_it_is_not_asked_for_or_has_no_place(
    gateway: SmallGateway, accept: str, logs: dict[str, str]
) -> None:
    exchange, call = await begun(gateway, accept, **logs)
    call.prints("secret")
    call.yields(1)
    call.prints("secret")
    call.ends(1)
    assert b"secret" not in (await exchange.answer()).body
    assert [log.text for log in gateway.logs()] == ["secret", "secret"]


async def test_who_asks_for_logs_gets_them_before_an_error_too(gateway: SmallGateway) -> None:
    exchange, call = await begun(gateway, "*/*", Rayfaas_Logs="1")
    call.prints("about to fail")
    call.fails(BOOM)
    answer = await exchange.answer()
    log, error = answer.lines()
    assert (answer.status, log["log"]["text"]) == (200, "about to fail")
    assert error["error"]["code"] == "function_error"


# Ends


async def test_an_error_before_the_first_item_is_a_problem_document(gateway: SmallGateway) -> None:
    exchange, call = await begun(gateway, SSE)
    call.fails(BOOM)
    answer = await exchange.answer()
    assert (answer.status, answer.code) == (500, "function_error")


async def test_an_error_in_the_middle_is_the_last_line(gateway: SmallGateway) -> None:
    exchange, call = await begun(gateway, NDJSON)
    call.yields(1)
    call.fails(BOOM)
    item, error = (await exchange.answer()).lines()
    assert item == {"item": 1}
    problem = error["error"]
    assert (problem["code"], problem["exception"], problem["call"]) == (
        "function_error", "ValueError", call.header.call_id,
    )  # fmt: skip
    assert gateway.end_of(call.header.call_id).state == "FAILED"


async def test_an_error_in_the_middle_is_the_last_event(gateway: SmallGateway) -> None:
    exchange, call = await begun(gateway, SSE)
    call.yields(1)
    call.fails(BOOM)
    (_, item), (name, problem) = events(await exchange.answer())
    assert (item, name) == (1, "error")
    assert isinstance(problem, dict)
    assert problem["traceback"] == "Traceback …"


async def test_an_array_that_an_error_cut_off_can_not_be_taken_for_whole(gateway: SmallGateway) -> None:
    exchange, call = await begun(gateway, JSON)
    call.yields(1, 2)
    call.fails(BOOM)
    with pytest.raises(json.JSONDecodeError):
        (await exchange.answer()).json()


async def test_an_executor_that_dies_in_the_middle_is_an_error_at_the_end(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    exchange = gateway.call(Accept=NDJSON)
    call = await executor.call()
    call.yields(1)
    assert json.loads(await exchange.piece()) == {"item": 1}
    await executor.die()
    last = (await exchange.answer()).lines()[-1]
    assert last["error"]["code"] == "node_lost"
    assert gateway.end_of(call.header.call_id).code == "node_lost"


async def test_a_stream_that_runs_out_of_time_says_so_at_its_end(gateway: SmallGateway) -> None:
    exchange, call = await begun(gateway, SSE, Rayfaas_Timeout="0.4")
    call.yields(1)
    (_, item), (name, problem) = events(await exchange.answer())
    assert (item, name) == (1, "error")
    assert isinstance(problem, dict)
    assert (problem["code"], problem["status"]) == (CallTimeout.code, 504)
    await eventually(lambda: call.cancelled == "timeout")
    assert gateway.end_of(call.header.call_id).state == "TIMED_OUT"


async def test_a_stream_that_is_cancelled_says_so_at_its_end(gateway: SmallGateway) -> None:
    exchange, call = await begun(gateway, NDJSON)
    call.yields(1)
    await exchange.piece()
    assert gateway.calls.cancel_here(call.header.call_id)
    assert (await exchange.answer()).lines()[-1]["error"]["code"] == "cancelled"
    await eventually(lambda: call.cancelled == "cancelled")


async def test_a_client_that_goes_in_the_middle_stops_the_generator(gateway: SmallGateway) -> None:
    exchange, call = await begun(gateway, NDJSON)
    call.yields(1)
    await exchange.piece()
    await exchange.left()
    await eventually(lambda: call.cancelled == "cancelled")
    assert gateway.end_of(call.header.call_id).state == "CANCELLED"
    assert not gateway.recording.in_flight


async def test_a_client_that_is_only_seen_to_have_gone_stops_the_generator_too(gateway: SmallGateway) -> None:
    exchange, call = await begun(gateway, NDJSON)
    call.yields(1)
    await exchange.piece()
    del exchange.scope[ON_GONE]
    await exchange.left()
    await eventually(lambda: call.cancelled == "cancelled")
    assert gateway.end_of(call.header.call_id).state == "CANCELLED"


async def test_a_client_that_does_not_read_and_goes_stops_the_generator(gateway: SmallGateway) -> None:
    exchange, call = await begun(gateway, NDJSON)
    exchange.reads.clear()
    call.yields(*range(CREDIT))
    await eventually(lambda: exchange.has_answer)
    await exchange.left()
    await eventually(lambda: call.cancelled == "cancelled")
    assert gateway.end_of(call.header.call_id).state == "CANCELLED"


async def test_the_end_is_recorded_before_the_client_has_the_last_byte(gateway: SmallGateway) -> None:
    exchange, call = await begun(gateway, NDJSON)
    call.yields(1)
    await exchange.piece()
    exchange.reads.clear()
    call.ends(1)
    await eventually(gateway.ends)
    assert not exchange.task.done()
    exchange.reads.set()
    await exchange.answer()


async def test_items_after_the_end_are_not_sent(gateway: SmallGateway) -> None:
    exchange, call = await begun(gateway, NDJSON)
    call.yields(1)
    call.ends(1)
    call.yields(2)
    call.ends(2)
    assert [next(iter(line)) for line in (await exchange.answer()).lines()] == ["item", "done"]
