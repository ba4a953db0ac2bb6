"""A call journal as a gateway leaves it behind, of as many calls as one wants."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rayfaas.names import new_id
from rayfaas.records import CallEnded, CallStarted, Record, encode_record

# As gateway/journal.py has it.
SEGMENT_BYTES = 64 << 20
_GATEWAY = "gateway-0-1"
_FIRST_US = 1_750_000_000_000_000


def write_journal(directory: Path, calls: int) -> int:
    """Write the start and the end of each call, in segments without a lock; returns how many bytes they have."""
    directory.mkdir(parents=True)
    lines = (encode_record(record) + b"\n" for record in records(calls))
    for number, lines_of_segment in enumerate(_segments(lines)):
        (directory / f"{_GATEWAY}.{number:06d}.ndjson").write_bytes(lines_of_segment)
    return sum(path.stat().st_size for path in directory.iterdir())


def records(calls: int) -> Iterator[Record]:
    """`calls` times a start and its end, one call after the other."""
    for number in range(calls):
        started, ended = call_records(number)
        yield started
        yield ended


def call_records(number: int) -> tuple[CallStarted, CallEnded]:
    call, accepted_us = new_id(), _FIRST_US + number * 1000
    function, digest = f"team{number % 8}/function{number % 40}", f"{number % 120:064x}"
    started = CallStarted(
        call=call,
        root=call,
        target=function,
        function=function,
        version=1 + number % 3,
        code_digest=digest,
        syntax_digest=digest,
        environment_digest=digest,
        shape=digest[-12:],
        owner=f"team{number % 8}",
        principal=f"principal{number % 100}",
        team=f"team{number % 20}",
        gateway=_GATEWAY,
        accepted_us=accepted_us,
        bytes_in=8,
        alias="live",
        alias_revision=1,
    )
    ended = CallEnded(
        call=call,
        state="SUCCEEDED",
        ended_us=accepted_us + 500,
        started_us=accepted_us + 100,
        queue_us=100,
        run_us=400,
        cpu_us=300,
        bytes_out=7,
        executor=call,
        replica="warm#0",
        node=digest[-16:],
        cluster="local",
        hardware="x86_64/2cpu",
    )
    return started, ended


def _segments(lines: Iterator[bytes]) -> Iterator[bytes]:
    segment = bytearray()
    for line in lines:
        segment += line
        if len(segment) >= SEGMENT_BYTES:
            yield bytes(segment)
            segment.clear()
    if segment:
        yield bytes(segment)
