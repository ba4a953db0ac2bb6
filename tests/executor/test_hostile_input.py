"""What hostile or unlucky input does to an executor and its links: it is answered, and nobody else is hurt."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from rayfaas.cluster.bundles import unpack
from rayfaas.errors import DeployError, FunctionError, ImportFailed, InvalidArguments, ProtocolError, RayfaasError
from rayfaas.frames import CHUNK, PROTOCOL, Kind, Message, encode_header, header_of
from rayfaas.handshake import ClientSide, ServerSide
from rayfaas.link import Link, Service
from tests.ends import accepting, connected, dialling
from tests.executor.conftest import replica, shared_replica  # noqa: F401
from tests.executor.replica import Replica
from tests.executor.test_zygote import SLEEPER, ZygoteProcess, mortal, packages  # noqa: F401
from tests.processes import is_gone
from tests.waiting import eventually, wait_until

in_session = pytest.mark.asyncio(loop_scope="session")  # conftest.py does it in tests/executor and tests/cluster


@pytest.mark.parametrize("header", [b"\x91" * 100_000 + b"\xc0", b"\x81\xa1\xff\x01"], ids=["deep", "no utf-8"])
def test_a_header_that_can_not_be_decoded_is_refused(header: bytes) -> None:
    with pytest.raises(ProtocolError, match="header"):
        header_of(Message(Kind.HELLO, 0, header, b""))


def test_an_identity_with_names_that_are_no_text_is_refused() -> None:
    hello = encode_header({"identity": {1: "x"}, "nonce": b"n" * 16, "proof": b"p" * 32})
    with pytest.raises(ProtocolError):
        ServerSide(lambda identity: b"key").receive(Message(Kind.HELLO, 0, hello, b""))


@pytest.mark.parametrize("lack", [{}, {"nonce": None}, {"nonce": "text"}])
def test_a_server_that_lacks_a_nonce_is_refused(lack: dict[str, object]) -> None:
    client = ClientSide({"role": "test"}, b"key")
    with pytest.raises(ProtocolError):
        client.receive(Message(Kind.HELLO, 0, encode_header({"protocol": PROTOCOL, **lack}), b""))


def test_a_server_whose_proof_is_no_bytes_is_refused() -> None:
    client = ClientSide({"role": "test"}, b"key")
    client.receive(Message(Kind.HELLO, 0, encode_header({"protocol": PROTOCOL, "nonce": b"n" * 16}), b""))
    with pytest.raises((ProtocolError, RayfaasError)):
        client.receive(Message(Kind.HELLO, 0, encode_header({"proof": "text"}), b""))


class Shelf(Service):
    def __init__(self) -> None:
        super().__init__({"items": self._items, "odd": self._odd})

    async def _items(self, link: Link, sizes: list[int]) -> AsyncIterator[bytes]:
        for number, size in enumerate(sizes):
            yield bytes([number]) * size

    async def _odd(self, link: Link) -> None:
        raise ValueError("\ud800")


@pytest.mark.parametrize("sizes", [[CHUNK + 1], [CHUNK + 1, 1], [3 * CHUNK, 3 * CHUNK]])
async def test_large_items_of_a_stream_arrive_whole_and_in_order(sizes: list[int]) -> None:
    async with connected(lambda: Link(accepting(), Shelf()), lambda: Link(dialling(), Service({}))) as (_, link):
        items = [(len(item), set(item)) async for item in link.stream("items", sizes=sizes)]
    assert items == [(size, {number}) for number, size in enumerate(sizes)]


async def test_an_error_whose_text_is_no_utf_8_is_answered() -> None:
    async with connected(lambda: Link(accepting(), Shelf()), lambda: Link(dialling(), Service({}))) as (_, link):
        with pytest.raises(RayfaasError):
            await link.request("odd", timeout_s=2)


async def test_a_call_whose_header_can_not_be_read_ends_the_link_or_is_answered() -> None:
    heard: list[Message] = []

    class Listening(Link):
        def on_message(self, message: Message) -> None:
            heard.append(message)

    async with connected(lambda: Link(accepting(), Shelf()), lambda: Listening(dialling(), Service({}))) as (_, link):
        link.send(Kind.CALL, 1, b"\xc1", b"\x80")
        await eventually(lambda: heard or not link.is_open, timeout_s=2)


@in_session
async def test_faults_of_any_number_reach_their_caller_and_end_no_other_call(replica: Replica) -> None:  # noqa: F811
    source = """
        import asyncio
        async def f(x: list[int]):
            await asyncio.Event().wait()
    """
    version = await replica.deploy(source, concurrency=2)
    waiting = version.call([])
    assert isinstance(await version.call(["no number"] * 20_000).error(), InvalidArguments)
    assert not waiting.end.done()


@in_session
async def test_an_exception_of_any_length_reaches_its_caller(replica: Replica) -> None:  # noqa: F811
    version = await replica.deploy("def f(): raise ValueError('x' * 2_000_000)")
    assert (await version.call().error()).extra["exception"] == "ValueError"


@in_session
@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.parametrize("text", ["raise ValueError('caf\\udce9')", "raise E"])
async def test_an_exception_that_can_hardly_be_written_ends_no_process(
    replica: Replica,  # noqa: F811
    kind: str,
    text: str,
) -> None:
    source = f"""
        class E(Exception):
            def __str__(self): raise SystemExit
        {kind} f(good):
            if good: return 'alive'
            {text}
    """
    version = await replica.deploy(source)
    assert isinstance(await version.call(False).error(), FunctionError)
    assert await version.call(True).value() == "alive"


@in_session
async def test_one_text_longer_than_the_limit_is_cut(replica: Replica) -> None:  # noqa: F811
    call = (await replica.deploy("def f(): print('x' * 5_000_000)")).call()
    await call.value()
    assert len(call.output()) < 1_100_000


@in_session
async def test_output_without_line_ends_has_the_same_limit(replica: Replica) -> None:  # noqa: F811
    source = "import sys\ndef f():\n    for _ in range(20_000): sys.stdout.write('x' * 1000)"
    call = (await replica.deploy(source)).call()
    await call.value()
    assert len(call.output()) < 1_100_000


@in_session
async def test_an_error_of_rayfaas_that_user_code_raises_is_the_functions(replica: Replica) -> None:  # noqa: F811
    source = "from rayfaas.errors import NotFound\ndef f(): raise NotFound('the function that I called')"
    assert isinstance(await (await replica.deploy(source)).call().error(), FunctionError)


@in_session
@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_an_argument_whose_own_check_raises_is_an_error_of_its_call(
    replica: Replica,  # noqa: F811
    kind: str,
) -> None:
    source = f"""
        import dataclasses
        @dataclasses.dataclass
        class Point:
            x: int
            def __post_init__(self):
                raise LookupError("no such place")
        {kind} f(p: Point | None):
            return "alive"
    """
    version = await replica.deploy(source)
    assert "no such place" in (await version.call({"x": 1}).error()).detail
    assert await version.call(None).value() == "alive"


@in_session
async def test_an_async_call_that_is_cancelled_at_once_is_answered_and_counts_no_more(
    replica: Replica,  # noqa: F811
) -> None:
    source = "import asyncio\nasync def f(waits):\n    if waits:\n        await asyncio.Event().wait()"
    version = await replica.deploy(source, concurrency=2)
    cancelled = version.call(True)
    cancelled.cancel()
    assert (await version.call(False).ended()).load == 0
    await cancelled.error()


@in_session
async def test_a_log_line_whose_arguments_do_not_fit_ends_no_call(replica: Replica) -> None:  # noqa: F811
    assert await replica.run("import logging\ndef f():\n    logging.info('%d items', 'many')\n    return 1") == 1


@in_session
async def test_stdout_can_be_reconfigured(replica: Replica) -> None:  # noqa: F811
    source = "import sys\ndef f():\n    sys.stdout.reconfigure(line_buffering=True)\n    return 1"
    assert await replica.run(source) == 1


@in_session
async def test_cancelling_a_call_whose_argument_is_still_under_way_cancels_it(replica: Replica) -> None:  # noqa: F811
    version = await replica.deploy("def f(x):\n    while x: pass")
    call = version.call("x" * 5_000_000)
    call.cancel()
    error = await call.error()
    assert isinstance(error, FunctionError)
    assert error.exception.endswith(".CallInterrupted")


@in_session
async def test_a_large_call_that_was_sent_before_a_drain_was_agreed_to_is_answered(
    replica: Replica,  # noqa: F811
) -> None:
    version = await replica.deploy("def f(x): return len(x)")
    version.executor.agrees_to_drain = False
    replica.supervisor.drain(version.order.key)
    await eventually(lambda: version.executor.has_drained)
    call = version.call("x" * 5_000_000)
    version.executor.send_last(Kind.DRAIN, 0)
    assert await call.value() == 5_000_000


@in_session
async def test_a_gateway_that_sends_garbage_is_dialled_again_and_does_not_stop_a_drain(
    replica: Replica,  # noqa: F811
) -> None:
    version = await replica.deploy("def f(): return 1")
    version.executor.send(Kind.CALL, 1, b"\xc1")  # no CallHeader; bytes that are no frame do the same
    again = await replica.gateway.executor(version.executor_id, after=1)
    assert await again.call().value() == 1


@in_session
async def test_code_that_does_not_parse_shows_no_frame_of_ours(replica: Replica) -> None:  # noqa: F811
    with pytest.raises(ImportFailed) as caught:
        await replica.deploy("def f(:")
    assert "rayfaas/executor" not in caught.value.extra["traceback"]


@in_session
@pytest.mark.parametrize("hint", ["'number of rows'", "{'a': int}"])
async def test_a_hint_that_is_no_type_is_no_reason_to_refuse(replica: Replica, hint: str) -> None:  # noqa: F811
    assert await replica.run(f"def f(x: {hint}): return x", 1) == 1


def test_all_end_where_the_supervisor_left_words_unread(
    mortal: tuple[subprocess.Popen[bytes], ZygoteProcess],  # noqa: F811
    tmp_path: Path,
) -> None:
    process, zygote = mortal
    with (
        zygote.fork(tmp_path / "b", SLEEPER + "def f(): pass") as executor,
        zygote.fork(tmp_path / "other", "def f(): pass", "e-2") as other,
    ):
        executor.first_word()
        other.first_word()
        (sleeper,) = psutil.Process(executor.pid).children()
        os.kill(other.pid, signal.SIGKILL)
        wait_until(lambda: not psutil.pid_exists(other.pid))  # its end is told, and nobody reads it
        with zygote:
            pass
        process.wait(20)
    try:
        wait_until(lambda: is_gone(sleeper), 3)
    finally:
        if not is_gone(sleeper):
            sleeper.kill()


def test_what_executors_of_a_later_generation_started_ends_with_the_supervisor(
    mortal: tuple[subprocess.Popen[bytes], ZygoteProcess],  # noqa: F811
    tmp_path: Path,
) -> None:
    process, zygote = mortal
    with zygote.grow('["good_one"]') as grown:
        grown.hear()
        executors = [grown.fork(tmp_path / f"{n}", SLEEPER + "def f(): pass", f"e-{n}") for n in range(4)]
        sleepers = []
        for executor in executors:
            executor.first_word()
            sleepers += psutil.Process(executor.pid).children()
        with zygote:
            pass
        process.wait(20)  # the order in which the kernel closes the sockets of a killed supervisor: oldest first
    for executor in executors:
        executor.__exit__()
    try:
        wait_until(lambda: all(is_gone(s) for s in sleepers), 3)
    finally:
        for sleeper in sleepers:
            if not is_gone(sleeper):
                sleeper.kill()


@in_session
async def test_an_order_too_large_for_a_packet_is_refused_and_ends_nobody(replica: Replica) -> None:  # noqa: F811
    other = await replica.deploy("def f(): return 'alive'")
    with pytest.raises(RayfaasError):
        await replica.deploy("def f(): pass", env={"LONG": "x" * 150_000})
    assert await other.call().value() == "alive"


@in_session
async def test_a_spawn_without_time_leaves_no_executor(replica: Replica) -> None:  # noqa: F811
    before = len(replica.exits)
    with pytest.raises(ImportFailed, match="still importing"):
        await replica.supervisor.spawn(replica.publish({"app.py": "def f(): pass"}), 0.0)
    await eventually(lambda: len(replica.exits) > before, timeout_s=5)


@pytest.mark.parametrize("archive", [b"", b"no archive", b"PK\x05\x06"])
def test_what_is_no_archive_is_a_deploy_error(archive: bytes, tmp_path: Path) -> None:
    with pytest.raises(DeployError):
        unpack(archive, tmp_path / "b")
