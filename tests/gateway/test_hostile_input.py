"""What hostile or unlucky input does to a gateway: it is answered in words; no call is lost, doubled or run in vain."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from rayfaas.config import Limits
from rayfaas.errors import Unavailable
from rayfaas.frames import Kind
from rayfaas.gateway import journal as journal_module
from rayfaas.gateway import outcome as outcome_module
from rayfaas.gateway import spawned as spawned_module
from rayfaas.gateway.job import Job
from rayfaas.gateway.journal import Journal
from rayfaas.gateway.route import Route
from rayfaas.gateway.snapshot import VersionRoute
from rayfaas.records import Spawned
from tests.gateway.asgi import Event
from tests.gateway.conftest import gateway, run_dir  # noqa: F401
from tests.gateway.disk import full_disk
from tests.gateway.small import SmallGateway
from tests.gateway.sockets import Client, post, served
from tests.gateway.test_control import FUNCTION, TAKE_JSON
from tests.gateway.test_dispatch import KEY, queue, quick_executor, sent
from tests.gateway.test_invoke import IVAN, call_token, parent, runs_nothing
from tests.gateway.test_journal import Disk, disk, ended, records, segments, spawned, started  # noqa: F401
from tests.gateway.test_server import server
from tests.gateway.test_spawned import BOOM, retrying, settled, spawn
from tests.waiting import eventually

# ruff: noqa: F811


# 1, test_spawned.py


async def test_items_that_are_too_many_to_keep_stop_their_generator(
    gateway: SmallGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outcome_module, "MAX_BODY", 10)
    call_id = (await spawn(gateway).answer()).json()["call"]
    call = await (await gateway.executor()).call()
    call.yields("x" * 5, "x" * 5)
    await settled(gateway, call_id)
    await eventually(lambda: call.cancelled == "cancelled", 3)


# 2, test_invoke.py


async def test_a_client_that_goes_before_any_of_its_body_came_runs_nothing(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    async with served(gateway.app) as port:
        client = await Client.connect(port)
        await client.send(post("/call/embed", b"", IVAN, length=20))
        assert (await gateway.ask("GET", "/healthz")).status == 200
        await client.reset()
    await executor.drain()
    assert (executor.received, gateway.starts()) == ([], [])


# 3, test_dispatch.py


async def test_a_cancelled_call_is_not_moved_to_another_executor(gateway: SmallGateway) -> None:
    executor = await quick_executor(gateway)
    begun, cancelled = await sent(gateway, executor, b"begun", b"cancelled")
    await cancelled.left()
    other = await gateway.executor()
    await executor.die()
    await begun.answer()
    await other.drain()
    assert other.bodies == []


# 4, test_spawned.py


async def test_what_was_accepted_runs_though_the_disk_was_full_when_its_turn_came(
    gateway: SmallGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spawned_module, "RUNNING", 1)
    await retrying(gateway, 0)
    executor = await gateway.executor()
    for body in (b"1", b"2"):
        await spawn(gateway, body).answer()
    call = await executor.call()
    with full_disk():
        call.returns(1)
        await eventually(lambda: not gateway.recording.in_flight)
    executor.answers(lambda call: call.returns("ran"))
    await eventually(lambda: b"2" in executor.bodies, 3)


# 5, test_spawned.py


async def test_a_spawned_call_outlives_the_call_that_spawned_it(gateway: SmallGateway) -> None:
    executor = await gateway.executor(concurrency=2)
    outer = gateway.call(b"outer")
    first = await executor.call()
    token = (await first.access()).token
    call_id = (await gateway.call(b"child", who=token, Prefer="respond-async").answer()).json()["call"]
    child = await executor.call()
    await outer.left()
    child.returns(1)
    (outcome,) = await settled(gateway, call_id)
    assert outcome.state == "SUCCEEDED"


# 6, test_server.py


async def test_sigterm_ends_the_process_in_good_order(run_dir: Path) -> None:
    async with server(run_dir) as home:
        process = home.start()
        await home.is_up()
        process.send_signal(signal.SIGTERM)
        await home.ended(process)
        assert process.returncode == 0


# 7, test_journal.py


async def test_the_call_that_fills_a_segment_is_on_disk_too(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "SEGMENT_BYTES", 1)
    journal = Journal(tmp_path, "gateway-0")
    await journal.spawned(spawned("one"))
    assert ["one"] in disk.synced
    journal.close()


def test_a_record_is_written_once_though_the_next_segment_can_not_be_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "SEGMENT_BYTES", 1)
    journal = Journal(tmp_path / "journal", "gateway-0")
    (tmp_path / "journal").rename(tmp_path / "away")
    journal.ended(ended("one"))
    (tmp_path / "away").rename(tmp_path / "journal")
    journal.flush_late()
    journal.close()
    assert records(tmp_path / "journal") == [ended("one")]


def test_a_call_that_is_refused_for_want_of_the_next_segment_is_not_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "SEGMENT_BYTES", 1)
    journal = Journal(tmp_path / "journal", "gateway-0")
    (tmp_path / "journal").rename(tmp_path / "away")
    taken = []
    try:
        journal.started(started("one"))
        taken.append(started("one"))
    except Unavailable:
        pass
    (tmp_path / "away").rename(tmp_path / "journal")
    journal.close()
    assert records(tmp_path / "journal") == taken


async def test_a_gateway_without_a_file_to_spare_refuses_to_keep_a_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(fd: int) -> int:
        raise OSError(24, "Too many open files")

    journal = Journal(tmp_path, "gateway-0")
    monkeypatch.setattr(os, "dup", fail)
    with pytest.raises(Unavailable):
        await asyncio.wait_for(journal.spawned(spawned("one")), 3)
    journal.close()


# 8, test_invoke.py


# 9, test_control.py: into the list of bodies of test_a_body_that_is_no_json_object_is_told_so


@pytest.mark.parametrize("body", [b'{"a": "\xff"}', b'{"a":' * 5_000], ids=["not UTF-8", "deep"])
async def test_a_body_that_is_no_json_object_is_told_so(gateway: SmallGateway, body: bytes) -> None:
    for endpoint in TAKE_JSON:
        answer = await gateway.ask(endpoint.method, endpoint.url, body, "ada")
        assert (answer.status, answer.code) == (400, "malformed_body"), endpoint
    assert gateway.controller.asked == []


# 10, test_control.py and test_spawned.py


@pytest.mark.parametrize("limit", ["%C2%B2", "9" * 5_000], ids=["superscript", "long"])
async def test_a_number_of_lines_that_python_can_not_read_is_no_failure_of_ours(
    gateway: SmallGateway, limit: str
) -> None:
    assert (await gateway.ask("GET", f"/v1/logs?limit={limit}", who="vera")).status in (200, 400)


async def test_a_number_of_retries_of_thousands_of_digits_is_a_bad_request(gateway: SmallGateway) -> None:
    answer = await spawn(gateway, Rayfaas_Retries="9" * 5_000).answer()
    assert (answer.status, answer.code) == (400, "bad_request")


@pytest.mark.parametrize(
    ("url", "body"),
    [
        ("/v1/sql", b'{"sql": "SELECT ?", "parameters": [%d]}' % 10**30),
        (f"{FUNCTION}/aliases/prod", b'{"version": %d}' % 10**30),
    ],
)
async def test_a_number_of_any_size_is_no_failure_of_ours(gateway: SmallGateway, url: str, body: bytes) -> None:
    assert (await gateway.ask("POST", url, body, "dora")).status != 500


@pytest.mark.parametrize(
    ("url", "body"),
    [
        (f"{FUNCTION}/aliases/prod", b'{"version": true}'),
        ("/v1/tokens", b'{"expires_in_s": true}'),
        ("/v1/tokens", b'{"principal": {"a": 1}}'),
        ("/v1/tokens", b'{"principal": ["x"]}'),
        ("/v1/tokens", b'{"team": 5}'),
    ],
)
async def test_a_value_of_another_type_is_not_taken_for_one(gateway: SmallGateway, url: str, body: bytes) -> None:
    assert (await gateway.ask("POST", url, body, "ada")).code == "bad_request"
    assert gateway.controller.asked == []


# 11, test_executors.py


@pytest.mark.parametrize("kind", [Kind.RESULT, Kind.ERROR])
async def test_a_call_whose_answer_can_not_be_read_fails_at_once(gateway: SmallGateway, kind: Kind) -> None:
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    executor = await gateway.executor()
    exchange = gateway.call(Rayfaas_Timeout="3")
    call = await executor.call()
    executor.send(kind, call.number, b"\xc1")
    assert (await exchange.answer()).code != "timeout"


async def test_an_executor_that_says_twice_that_it_is_ready_is_gone_when_it_is_gone(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    executor.is_ready()
    executor.answers(lambda call: call.returns(1))
    await gateway.call().answer()
    await executor.die()
    waiting = gateway.call(Rayfaas_Timeout="3")
    await eventually(lambda: not gateway.dispatcher.pool(KEY).executors, 2)
    await waiting.left()


async def test_an_executor_that_is_drained_can_not_be_ready_again(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    await executor.drain()
    executor.is_ready()
    assert (await gateway.call(Rayfaas_Timeout="0.2").answer()).code == "no_capacity"
    assert executor.received == []


# 12, test_invoke.py


async def test_a_body_over_the_limit_is_refused_in_whatever_pieces_it_comes(run_dir: Path) -> None:
    async with SmallGateway(run_dir, Limits(max_body=10)) as gateway:
        answer = await gateway.ask("POST", "/call/embed", [b"12345678901"])
        assert (answer.status, answer.code) == (413, "body_too_large")
        await runs_nothing(gateway)


# 13, test_spawned.py


async def test_the_pause_between_tries_stays_finite(gateway: SmallGateway) -> None:
    version = VersionRoute(1, "c", "s", "e", "shape", 0.0, 30.0, 1)
    record = Spawned("c", "c", "embed", "nlp/embed", 1, "ann", "nlp", "gateway-0", 1, "", "", 30.0, 0, 1.0)
    job = Job(record, Route("nlp/embed:1", "nlp/embed", "nlp", version))
    job.attempts = 5_000
    assert job.retry_delay_s == 300.0


async def test_a_call_that_is_cancelled_before_its_first_step_never_runs(gateway: SmallGateway) -> None:
    executor = await gateway.executor()

    def cancelling(send: Callable[[Event], Awaitable[None]]) -> Callable[[Event], Awaitable[None]]:
        async def cancel_first(event: Event) -> None:
            if event["type"] == "http.response.start":
                gateway.calls.cancel_here(dict(event["headers"])[b"rayfaas-call-id"].decode())
            await send(event)

        return cancel_first

    app = gateway.app
    gateway.app = lambda scope, receive, send: app(scope, receive, cancelling(send))  # type: ignore[assignment]
    await spawn(gateway).answer()
    assert [outcome.state for outcome in gateway.settled()] == ["CANCELLED"]
    await executor.drain()
    assert executor.received == []


# 14, test_dispatch.py


async def test_a_call_that_came_when_it_was_cold_and_then_waited_for_busy_executors_is_told_so(
    gateway: SmallGateway,
) -> None:
    others = await queue(gateway, (b"1", "ivan"))
    late = gateway.call(b"late", Rayfaas_Timeout="0.4")
    await eventually(lambda: gateway.dispatcher.pool(KEY).waiting_count == 2)
    executor = await gateway.executor()
    await executor.call()
    answer = await late.answer()
    for exchange in others:
        await exchange.left()
    assert answer.code == "timeout"


# 15, test_streams.py, test_invoke.py


async def test_whether_trying_again_helps_is_recorded_of_streams_too(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    exchange = gateway.call(Accept="application/x-ndjson")
    call = await executor.call()
    call.yields(1)
    call.fails(BOOM)
    await exchange.answer()
    assert gateway.end_of(call.header.call_id).retryable is False


async def test_the_scheme_of_a_calls_token_is_written_as_one_likes(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    executor.answers(lambda call: call.returns(1))
    headers = {"Authorization": f"bearer {call_token(parent())}"}
    assert (await gateway.ask("POST", "/call/embed", headers=headers)).status == 200
