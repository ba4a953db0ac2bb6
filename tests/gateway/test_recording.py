"""A call has one start and one end, and its end says how it ended and where it ran."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from rayfaas.envelope import ErrorHeader, LogHeader, ReadyHeader, ResultHeader
from rayfaas.errors import BY_CODE, CallTimeout, FunctionError, Unavailable, to_problem
from rayfaas.frames import Kind, Message
from rayfaas.gateway.journal import Journal
from rayfaas.gateway.pending import PendingCall
from rayfaas.gateway.recording import Recording, state_of
from rayfaas.gateway.route import Route
from rayfaas.gateway.snapshot import VersionRoute
from rayfaas.names import new_id
from rayfaas.records import CallEnded, CallStarted, LogLine, Record
from tests.gateway.disk import full_disk

_decode = msgspec.json.Decoder(Record).decode


class Book:
    """A recording and what it wrote."""

    def __init__(self, directory: Path) -> None:
        self._directory, self.journal = directory, Journal(directory, "gateway-0")
        self.recording = Recording(self.journal)

    def call(self, gpus: float = 0.0) -> PendingCall:
        version = VersionRoute(3, "code", "syntax", "environment", "shape", gpus, 30.0, 1)
        route = Route("nlp/embed:3", "nlp/embed", "nlp", version, "live", 12)
        return PendingCall(route, new_id(), "root", "parent", "ann", "vision", "", b"123", 5.0, self.recording.log)

    def started(self, gpus: float = 0.0) -> PendingCall:
        call = self.call(gpus)
        self.recording.start(call, "nlp/embed")
        return call

    @property
    def records(self) -> list[Record]:
        return [_decode(line) for path in self._directory.iterdir() for line in path.read_bytes().splitlines()]

    @property
    def end(self) -> CallEnded:
        (end,) = (record for record in self.records if isinstance(record, CallEnded))
        return end


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    book = Book(tmp_path)
    yield book
    book.journal.close()


class Ran:
    """The executor that ran it."""

    ready_header: ReadyHeader | None = ReadyHeader(
        "nlp/embed:3", "executor7", 1, 4711, "replica", "node", "local", "T4"
    )

    def grant(self, pending: PendingCall, items: int) -> None: ...

    def cancel(self, pending: PendingCall, reason: str) -> None: ...

    def type(self, pending: PendingCall, line: str) -> None: ...

    def input(self, pending: PendingCall, header: bytes, body: bytes) -> None: ...


def ran(call: PendingCall, ended: ResultHeader | ErrorHeader) -> None:
    call.executor, call.dispatched_ns, call.ended = Ran(), call.accepted_ns + 2_500_000, ended


@pytest.mark.parametrize(
    ("code", "state"),
    [
        (None, "SUCCEEDED"), ("timeout", "TIMED_OUT"), ("cancelled", "CANCELLED"), ("queue_full", "REJECTED"),
        ("no_capacity", "REJECTED"), ("malformed_body", "REJECTED"), ("unsupported_media_type", "REJECTED"),
        ("invalid_arguments", "REJECTED"), ("function_error", "FAILED"), ("executor_died", "FAILED"),
        ("a code of tomorrow", "FAILED"),
    ],
)  # fmt: skip
def test_a_code_says_in_which_state_a_call_ended(code: str | None, state: str) -> None:
    assert state_of(code) == state


def test_no_error_counts_as_success() -> None:
    assert all(state_of(code) != "SUCCEEDED" for code in BY_CODE)


async def test_a_start_says_who_called_what_and_through_which_alias(book: Book) -> None:
    call = book.call()
    call.context = '{"flow": "f"}'
    book.recording.start(call, "nlp/embed@live", idempotency_key="k")
    assert book.records == [
        CallStarted(
            call.call_id, "root", "nlp/embed@live", "nlp/embed", 3, "code", "syntax", "environment", "shape", "nlp",
            "ann", "vision", book.journal.instance, call.accepted_ns // 1000, 3, "parent", "live", 12, '{"flow": "f"}',
            "k",
        )
    ]  # fmt: skip
    assert list(book.recording.in_flight.values()) == [call]


async def test_an_end_says_where_and_how_long_it_ran(book: Book) -> None:
    call = book.started(gpus=0.5)
    ran(call, ResultHeader("application/json", 1_700_000_000, 4_000, 3_000, 0, items=9))
    book.recording.end(call, None, bytes_out=77)
    end = book.end
    assert (end.state, end.code, end.bytes_out, end.items, end.cold) == ("SUCCEEDED", None, 77, 9, "")
    assert (end.started_us, end.queue_us, end.run_us, end.cpu_us, end.gpu_us) == (
        1_700_000_000,
        2_500,
        4_000,
        3_000,
        2_000,
    )
    where = (end.executor, end.replica, end.node, end.cluster, end.hardware)
    assert where == ("executor7", "replica", "node", "local", "T4")
    assert not book.recording.in_flight


async def test_a_call_that_never_reached_the_function_has_no_time_in_it(book: Book) -> None:
    call = book.started()
    ran(call, ErrorHeader(to_problem(FunctionError()), 0, 0, 0, 0))
    book.recording.end(call, "invalid_arguments", False)
    end = book.end
    assert (end.state, end.retryable, end.started_us, end.run_us, end.executor) == (
        "REJECTED", False, None, None, "executor7",
    )  # fmt: skip


async def test_a_call_that_was_never_sent_ran_nowhere(book: Book) -> None:
    call = book.started()
    call.cold = "no executor of this version was up"
    book.recording.end(call, "no_capacity", True)
    end = book.end
    assert (end.cold, end.queue_us, end.executor) == ("no executor of this version was up", None, None)


async def test_the_first_end_is_the_only_one(book: Book) -> None:
    call = book.started()
    book.recording.end(call, "timeout")
    book.recording.end(call, None)
    assert not book.recording.let_go(call)
    assert book.end.state == "TIMED_OUT"


async def test_what_never_started_has_no_end(book: Book) -> None:
    book.recording.end(book.call(), None)
    assert book.records == []


async def test_a_call_that_is_let_go_without_an_end_is_cancelled(book: Book) -> None:
    call = book.started()
    call.timer = asyncio.get_running_loop().call_later(3600, lambda: None)
    assert book.recording.let_go(call)
    assert call.timer.cancelled()
    assert (book.end.state, book.end.code) == ("CANCELLED", "cancelled")


async def test_a_call_whose_start_can_not_be_written_is_not_in_flight(book: Book) -> None:
    call = book.call()
    with full_disk(), pytest.raises(Unavailable):
        book.recording.start(call, "embed")
    assert not book.recording.in_flight
    book.recording.end(call, CallTimeout.code)
    assert book.records == []


async def test_output_is_kept_even_if_it_is_no_text(book: Book) -> None:
    call = book.started()
    header = msgspec.msgpack.encode(LogHeader(5, "log", "WARNING"))
    book.recording.log(call, Message(Kind.LOG, 1, header, b"a\xffb\n"))
    assert book.records[1:] == [LogLine(call.call_id, "nlp/embed", 3, 5, "log", "a\ufffdb\n", "WARNING")]


async def test_a_call_of_a_batch_has_its_share_of_the_gpu(book: Book) -> None:
    call = book.started(gpus=2.0)
    ran(call, ResultHeader("application/json", 1, 40_000, 500, 0, None, 8))
    book.recording.end(call, None)
    assert (book.end.run_us, book.end.gpu_us, book.end.batch_size) == (40_000, 10_000, 8)
