"""A call of a function with `cache=` gets the result of an earlier equal one, as long as that holds."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rayfaas.editions import edition_of
from rayfaas.errors import FunctionError
from rayfaas.frames import Kind
from rayfaas.touches import Touch, TrackedHeader, encode_touches
from rayfaas.wire import MSGPACK
from tests.gateway.controller import version_route
from tests.gateway.executor import FakeExecutor, ReceivedCall
from tests.gateway.small import SmallGateway
from tests.gateway.sockets import Client, post, served
from tests.waiting import eventually


async def deploy(gateway: SmallGateway, *codes: str, ttl_s: float | None = None, **others: Any) -> None:
    """Versions of nlp/embed with a cache; the last is live."""
    versions = [
        version_route(number, cache={"code": code, "settings": "s", "ttl_s": ttl_s, "places": {"": ["text"]}})
        for number, code in enumerate(codes or ("code",), 1)
    ]
    await gateway.controller.set_function("nlp/embed", versions, {"live": (len(versions), 1)}, **others)


async def compute(executor: FakeExecutor, value: Any, *touches: Touch, unknown: str = "") -> ReceivedCall:
    """Answer the next call."""
    call = await executor.call()
    assert call.header.tracks
    call.touched(*touches, unknown=unknown)
    call.returns(value)
    return call


async def first(gateway: SmallGateway, executor: FakeExecutor, value: Any, *touches: Touch, **options: Any) -> str:
    """The id of a call that is computed; when its result is kept, or not."""
    count = len(gateway.results_kept())
    exchange = gateway.call(**options)
    await compute(executor, value, *touches)
    answer = await exchange.answer()
    assert answer.headers["rayfaas-cache"] == "miss"
    assert answer.json() == value
    await eventually(lambda: len(gateway.results_kept()) > count)
    return answer.headers["rayfaas-call-id"]


async def hit(gateway: SmallGateway, of: str, value: Any, **options: Any) -> str:
    answer = await gateway.call(**options).answer()
    assert (answer.status, answer.json()) == (200, value)
    assert (answer.headers["rayfaas-cache"], answer.headers["rayfaas-cached-from"]) == ("hit", of)
    return answer.headers["rayfaas-call-id"]


def read(path: Path, version: str | None = None, **others: Any) -> Touch:
    version = version or f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    return Touch("read", path.as_uri(), "open", version, **others)


def write(path: Path, text: str) -> Path:
    """Long ago, so that nobody takes it for written just now."""
    path.write_text(text)
    os.utime(path, (1, 1))
    return path


async def set_secrets(gateway: SmallGateway, **editions: str) -> None:
    """nlp/embed names the secret `api`; these are in force."""
    cache = {"code": "code", "settings": "s", "secrets": ["nlp/api"]}
    await gateway.controller.set_function("nlp/embed", [version_route(1, cache=cache)], {"live": (1, 1)})
    table = gateway.controller.table
    await table.applied(await table.set_secrets({f"nlp/{name}": edition for name, edition in editions.items()}))


def edition(of: str) -> str:
    return edition_of(["nlp/api"], {"nlp/api": of})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "model ä", "weights")


async def test_an_equal_call_is_answered_without_an_executor(gateway: SmallGateway) -> None:
    await deploy(gateway)
    executor = await gateway.executor()
    computed = await first(gateway, executor, [1.5], body=b'{"text": "a"}')
    call = await hit(gateway, computed, [1.5], body=b'"a"')
    await hit(gateway, computed, [1.5], body=b'{ "text":"a" }', who="dora")
    assert len(executor.received) == 1
    end = gateway.end_of(call)
    assert (end.state, end.cached_from, end.executor, end.bytes_out) == ("CACHED", computed, None, 5)
    (looked,) = gateway.looked_up()
    assert (looked.call, looked.verdict, list(looked.arguments)) == (computed, "miss", ["text"])
    assert [kept.why_not for kept in gateway.results_kept()] == [None]


async def test_a_result_that_was_made_with_other_values_of_a_secret_is_given_to_nobody(gateway: SmallGateway) -> None:
    await set_secrets(gateway, api="1")
    executor = await gateway.executor(edition=edition("1"))
    computed = await first(gateway, executor, "with 1")
    await hit(gateway, computed, "with 1")
    await set_secrets(gateway, api="2", other="9")
    await first(gateway, executor, "still with 1")
    assert "other values of its secrets" in str(gateway.results_kept()[-1].why_not)
    await executor.die()
    newer = await gateway.executor(edition=edition("2"))
    with_2 = await first(gateway, newer, "with 2")
    await set_secrets(gateway, api="2", other="10")
    await hit(gateway, with_2, "with 2")


async def test_it_goes_the_short_way_in_and_is_answered_all_the_same(gateway: SmallGateway) -> None:
    await deploy(gateway)
    executor = await gateway.executor()
    computed = await first(gateway, executor, 7)
    async with served(gateway.app, gateway.direct) as port:
        client = await Client.connect(port)
        await client.send(post("/call/embed", b"1", "Authorization: Bearer ivan"))
        answer = await client.answer()
        await client.close()
    assert answer.headers["rayfaas-cached-from"] == computed


async def test_functions_without_a_cache_are_not_tracked(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    exchange = gateway.call()
    call = await executor.call()
    assert not call.header.tracks
    call.returns(1)
    assert "rayfaas-cache" not in (await exchange.answer()).headers


async def test_other_code_misses_and_the_same_code_in_another_version_hits(gateway: SmallGateway) -> None:
    await deploy(gateway)
    computed = await first(gateway, await gateway.executor(), 1)
    await deploy(gateway, "code", "code")
    await hit(gateway, computed, 1)
    await deploy(gateway, "code", "code", "other")
    again = await first(gateway, await gateway.executor(3), 2)
    await hit(gateway, again, 2)
    await hit(gateway, computed, 1, target="embed:1")


async def test_encodings_of_the_result_are_kept_apart(gateway: SmallGateway) -> None:
    await deploy(gateway)
    executor = await gateway.executor()
    await first(gateway, executor, 1)
    exchange = gateway.call(Accept=MSGPACK)
    await compute(executor, 2)
    assert (await exchange.answer()).headers["rayfaas-cache"] == "miss"


async def test_it_holds_as_long_as_the_files_that_were_read(gateway: SmallGateway, file: Path) -> None:
    await deploy(gateway)
    executor = await gateway.executor()
    missing = file.parent / "missing"
    computed = await first(gateway, executor, 1, read(file), Touch("read", missing.as_uri(), "open", "absent"))
    await hit(gateway, computed, 1)
    os.utime(file, (2, 2))  # another time, and the same content
    await hit(gateway, computed, 1)
    write(file, "WEIGHTS")
    again = await first(gateway, executor, 2, read(file))
    looked = gateway.looked_up()[-1]
    assert (looked.call, looked.verdict, looked.uri) == (again, "changed", file.as_uri())
    assert (looked.was or "")[:7] == (looked.now or "")[:7] == "sha256:"
    await hit(gateway, again, 2)
    os.unlink(file)
    await first(gateway, executor, 3)


async def test_what_was_written_must_still_be_there(gateway: SmallGateway, tmp_path: Path) -> None:
    await deploy(gateway)
    executor = await gateway.executor()
    output = tmp_path / "output"
    output.write_text("result")
    version = f"sha256:{hashlib.sha256(b'result').hexdigest()}"
    computed = await first(gateway, executor, 1, Touch("write", output.as_uri(), "open", version))
    await hit(gateway, computed, 1)
    output.write_text("another")
    await first(gateway, executor, 2)


@pytest.mark.parametrize(
    ("touch", "reason"),
    [
        (Touch("read", "s3://b/k", "boto3", "v1"), "it read s3://b/k, and whether that is still so can't be looked up"),
        (Touch("write", "postgres://t", "said"), "it wrote postgres://t, and"),
        (Touch("read", "file:///x", "open", "sha256:1", is_certain=False), "file:///x changed while it was used"),
        (Touch("read", "file:///x", "open", None, is_certain=False), "file:///x changed while it was used"),
        (Touch("read", "file:///nowhere", "open", "sha256:1"), "file:///nowhere changed while it was used"),
    ],
)
async def test_what_cannot_be_checked_is_not_kept(gateway: SmallGateway, touch: Touch, reason: str) -> None:
    await deploy(gateway)
    executor = await gateway.executor()
    for value in (1, 2):
        await first(gateway, executor, value, touch)
    assert [str(kept.why_not).startswith(reason) for kept in gateway.results_kept()] == [True, True]


async def test_a_file_that_was_written_just_before_is_not_trusted(gateway: SmallGateway, file: Path) -> None:
    await deploy(gateway)
    executor = await gateway.executor()
    exchange = gateway.call()
    later_ns = time.time_ns() + 60_000_000_000
    os.utime(file, ns=(later_ns, later_ns))
    await compute(executor, 1, read(file))
    await exchange.answer()
    (kept,) = await eventually(gateway.results_kept)
    assert kept.why_not == f"{file.as_uri()} was written just before, or while, it was read"


async def test_with_a_time_to_live_what_cannot_be_checked_counts_until_then(gateway: SmallGateway) -> None:
    await deploy(gateway, ttl_s=3600.0)
    executor = await gateway.executor()
    computed = await first(gateway, executor, 1, Touch("read", "s3://b/k", "boto3", "v1"))
    await hit(gateway, computed, 1)
    await deploy(gateway, ttl_s=1e-6)
    await first(gateway, executor, 2)
    assert gateway.looked_up()[-1].verdict == "expired"


async def test_who_calls_others_depends_on_more_than_can_be_checked(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    for ttl_s, reason in ((None, "it called other functions; give the cache a time to live, cache='1h'"), (9.0, None)):
        await deploy(gateway, ttl_s=ttl_s)
        exchange = gateway.call()
        call = await executor.call()
        await call.access()
        call.touched()
        call.returns(1)
        await exchange.answer()
        await eventually(lambda: len(gateway.results_kept()) == (1 if ttl_s is None else 2))  # noqa: B023
        assert gateway.results_kept()[-1].why_not == reason


async def test_what_the_executor_cannot_tell_is_not_kept(gateway: SmallGateway) -> None:
    await deploy(gateway)
    executor = await gateway.executor()
    exchange = gateway.call()
    await compute(executor, 1, unknown="it asked which call it answers")
    await exchange.answer()
    (kept,) = await eventually(gateway.results_kept)
    assert kept.why_not == "it asked which call it answers"


async def test_an_executor_speaks_for_its_own_calls_only(gateway: SmallGateway) -> None:
    await deploy(gateway)
    await gateway.controller.set_function("nlp/spy", [version_route(1)], {"live": (1, 1)})
    executor, spy = await gateway.executor(), await gateway.executor(function="nlp/spy")
    exchange = gateway.call()
    call = await executor.call()
    header = msgspec.msgpack.encode(TrackedHeader(call.header.call_id))
    spy.send(Kind.TRACKED, 0, header, encode_touches([Touch("read", "s3://b/k", "boto3", "v1")]))
    await spy.closed
    call.touched()
    call.returns(1)
    await exchange.answer()
    assert (await eventually(gateway.results_kept))[0].why_not is None


async def test_no_cache_computes_again_and_keeps_that(gateway: SmallGateway) -> None:
    await deploy(gateway)
    executor = await gateway.executor()
    await first(gateway, executor, 1)
    exchange = gateway.call(Cache_Control="no-cache")
    await compute(executor, 2)
    answer = await exchange.answer()
    assert answer.headers["rayfaas-cache"] == "bypass"
    await eventually(lambda: len(gateway.results_kept()) == 2)
    await hit(gateway, answer.headers["rayfaas-call-id"], 2)
    assert [looked.verdict for looked in gateway.looked_up()] == ["miss", "bypass"]


async def test_who_wants_a_new_result_waits_for_nobody(gateway: SmallGateway) -> None:
    await deploy(gateway)
    executor = await gateway.executor(concurrency=3)
    exchanges = [gateway.call(Cache_Control="no-cache") for _ in range(3)]
    for call in [await executor.call() for _ in range(3)]:
        call.touched()
        call.returns(1)
    assert [(await exchange.answer()).status for exchange in exchanges] == [200, 200, 200]


async def test_failures_streams_and_large_results_are_not_kept(gateway: SmallGateway) -> None:
    await deploy(gateway)
    executor = await gateway.executor()
    exchange = gateway.call()
    (await executor.call()).fails(FunctionError("no", exception="E", message="no", traceback=""))
    assert (await exchange.answer()).status == 500
    exchange = gateway.call()
    generator = await executor.call()
    generator.yields(1, 2)
    generator.ends(2)
    assert (await exchange.answer()).status == 200
    exchange = gateway.call()
    large = await executor.call()
    large.gives(b"x")
    large.gave()
    assert (await exchange.answer()).status == 200
    assert gateway.results_kept() == []
    await first(gateway, executor, 1)


async def test_of_equal_calls_at_once_one_computes(gateway: SmallGateway) -> None:
    await deploy(gateway)
    executor = await gateway.executor()
    exchanges = [gateway.call() for _ in range(5)]
    call = await executor.call()
    call.touched()
    call.returns(1)
    answers = [await exchange.answer() for exchange in exchanges]
    assert sorted(answer.headers["rayfaas-cache"] for answer in answers) == ["hit"] * 4 + ["miss"]
    assert len(executor.received) == 1


async def test_where_it_fails_the_others_try_for_themselves(gateway: SmallGateway) -> None:
    await deploy(gateway)
    executor = await gateway.executor(concurrency=9)
    exchanges = [gateway.call() for _ in range(3)]
    (await executor.call()).fails(FunctionError("no", exception="E", message="no", traceback=""))
    others = [await executor.call() for _ in range(2)]
    for other in others:
        other.touched()
        other.returns(1)
    assert sorted([(await exchange.answer()).status for exchange in exchanges]) == [200, 200, 500]


async def test_results_that_are_not_kept_are_not_waited_for_again(gateway: SmallGateway) -> None:
    await deploy(gateway)
    executor = await gateway.executor(concurrency=9)
    await first(gateway, executor, 1, Touch("read", "s3://b/k", "boto3", "v1"))
    exchanges = [gateway.call() for _ in range(3)]
    for call in [await executor.call() for _ in range(3)]:
        call.touched()
        call.returns(2)
    assert [(await exchange.answer()).json() for exchange in exchanges] == [2, 2, 2]


async def test_who_waits_may_leave_and_may_run_out_of_time(gateway: SmallGateway) -> None:
    await deploy(gateway)
    executor = await gateway.executor()
    computing = gateway.call()
    call = await executor.call()
    late = await gateway.call(Rayfaas_Timeout="0.05").answer()
    assert late.code == "timeout"
    assert "equal call" in late.json()["detail"]
    leaving = gateway.call()
    await eventually(lambda: len(gateway.starts()) == 3)
    await leaving.left()
    call.touched()
    call.returns(1)
    await computing.answer()
    states = sorted(end.state for end in gateway.ends())
    assert states == ["CANCELLED", "SUCCEEDED", "TIMED_OUT"]
    await eventually(gateway.results_kept)
    assert len(executor.received) == 1


async def test_a_gateway_waits_for_another_of_its_machine(gateway: SmallGateway, run_dir: Path) -> None:
    await deploy(gateway)
    executor = await gateway.executor()
    computed = await first(gateway, executor, 1)
    (path,) = (run_dir / "cached/results").glob("*/*")
    kept, key = path.read_bytes(), path.name
    path.unlink()
    holder = await asyncio.create_subprocess_exec(
        *("python3", "-c", _HOLD, str(run_dir / "cached/lock"), str(int(key[:15], 16))),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert holder.stdout is not None
    await holder.stdout.readline()
    exchanges = [gateway.call() for _ in range(3)]
    await eventually(lambda: len(gateway.starts()) == 4)
    path.write_bytes(kept)  # the other has computed it
    await holder.communicate(b"")
    answers = [await exchange.answer() for exchange in exchanges]
    assert [answer.headers["rayfaas-cached-from"] for answer in answers] == [computed] * 3
    assert len(executor.received) == 1


_HOLD = """
import fcntl, sys
file = open(sys.argv[1], "r+")
fcntl.lockf(file, fcntl.LOCK_EX, 1, int(sys.argv[2]))
print(flush=True)
sys.stdin.read()
"""


async def test_who_may_not_call_it_sees_no_result(gateway: SmallGateway) -> None:
    await deploy(gateway, teams=["nlp"])
    executor = await gateway.executor()
    await first(gateway, executor, 1)
    stranger = await gateway.call(target="nlp/embed", who="otto").answer()
    assert stranger.code == "not_found"
    assert (await gateway.call(who="vera").answer()).code == "forbidden"


async def test_spawned_calls_and_lines_of_input_use_it_too(gateway: SmallGateway) -> None:
    await deploy(gateway)
    executor = await gateway.executor()
    computed = await first(gateway, executor, 1, body=b'{"text": "a"}')
    answer = await gateway.call(b'"a"', Prefer="respond-async").answer()
    assert answer.status == 202
    (settled,) = await eventually(gateway.settled)
    assert (settled.state, base64.b64decode(settled.body or "")) == ("SUCCEEDED", b"1")
    assert gateway.end_of(settled.call).cached_from == computed
    exchange = gateway.call(b'"a"\n"a"\n{"text": "a"}', Content_Type="application/x-ndjson")
    await compute(executor, 2)
    assert [line["result"] for line in (await exchange.answer()).lines()] == [2, 2, 2]  # JSON, whatever it was before
    assert len(executor.received) == 2


async def test_streams_are_run(gateway: SmallGateway) -> None:
    await deploy(gateway)
    executor = await gateway.executor()
    await first(gateway, executor, 1)
    exchange = gateway.call(Accept="text/event-stream")
    call = await executor.call()
    assert not call.header.tracks
    call.returns(2)
    assert (await exchange.answer()).status == 200


async def test_a_disk_that_is_full_keeps_nothing_and_answers(
    gateway: SmallGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    await deploy(gateway)
    executor = await gateway.executor()

    def replace(*paths: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("rayfaas.whole_file.os.replace", replace)
        await first(gateway, executor, 1)
    assert gateway.results_kept()[-1].why_not == "the server can't write it: No space left on device"
    assert not list((gateway.cache._shelf._directory).glob("*/*"))
    await first(gateway, executor, 2)


async def test_where_no_lock_can_be_had_equal_calls_wait_for_each_other_all_the_same(
    gateway: SmallGateway, caplog: pytest.LogCaptureFixture
) -> None:
    (gateway.executor_socket.parent / "cached").write_text("what is no folder")
    await deploy(gateway)
    executor = await gateway.executor()
    one, other = gateway.call(), gateway.call()
    for exchange, value in ((one, 1), (other, 2)):
        await compute(executor, value)
        assert (await exchange.answer()).json() == value
    assert "no lock in the cache" in caplog.text
    await eventually(lambda: len(gateway.results_kept()) == 2)
    assert "can't write it" in str(gateway.results_kept()[0].why_not)
