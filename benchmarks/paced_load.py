"""Open load from one thread, for some thousand calls a second: so many are due each second, and each answer says which
call it was of."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from itertools import count
from typing import NamedTuple
from urllib.parse import urlsplit

from benchmarks.endpoint import NOOP_BODY, Endpoint
from benchmarks.errors import BenchmarkError

_CALL_ID = b"rayfaas-call-id: "
_LENGTH = b"content-length: "


class Answered(NamedTuple):
    """`at_s` is a moment of `time.perf_counter`, `took_s` from when the call was due."""

    call: str
    at_s: float
    took_s: float


class PacedLoad:
    """`answered` grows while `run` runs. A call that is not answered with 200 ends it."""

    def __init__(self, endpoint: Endpoint, per_s: float, connections: int = 64) -> None:
        parts = urlsplit(endpoint.url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._per_s, self._connections = per_s, connections
        headers = {"Host": parts.netloc, "Content-Type": "application/json", **endpoint.headers}
        head = f"POST {parts.path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._request = f"{head}Content-Length: {len(NOOP_BODY)}\r\n\r\n{NOOP_BODY}".encode()
        self.answered: list[Answered] = []

    async def run(self, seconds: float) -> None:
        """Raises `BenchmarkError` where a call fails."""
        started, numbers = time.perf_counter(), count()
        await asyncio.gather(*(self._call_on_and_on(started, seconds, numbers) for _ in range(self._connections)))

    async def _call_on_and_on(self, started: float, seconds: float, numbers: Iterator[int]) -> None:
        reader, writer = await asyncio.open_connection(self._host, self._port)
        try:
            while (due := started + next(numbers) / self._per_s) < started + seconds:
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                writer.write(self._request)
                call = await _answer(reader)
                now = time.perf_counter()
                self.answered.append(Answered(call, now, now - due))
        finally:
            writer.close()
            await writer.wait_closed()


async def _answer(reader: asyncio.StreamReader) -> str:
    """The id of the call that was answered."""
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise BenchmarkError(f"a call was answered {head.splitlines()[0].decode()}")
    lower = head.lower()
    await reader.readexactly(int(_value(lower, _LENGTH)))
    return _value(lower, _CALL_ID).decode()


def _value(head: bytes, name: bytes) -> bytes:
    return head.partition(name)[2].partition(b"\r\n")[0]
