"""A closed-loop load generator for machines without wrk, in a process of its own.

    python -m benchmarks.closed_loop URL BODY EXPECTED CONNECTIONS SECONDS [NAME=VALUE]…

Every answer must have status 200 and the body EXPECTED. Prints the same RESULT line as wrk.lua.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

import httptools
import uvloop

from benchmarks.samples import rank
from rayfaas.within import within


@dataclass(frozen=True)
class Order:
    host: str
    port: int
    request: bytes
    expected: bytes
    connections: int
    seconds: float


@dataclass
class Tally:
    """What all connections saw together. Latencies are in nanoseconds."""

    deadline: float
    latencies: list[int] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)


class Connection(asyncio.Protocol):
    """One connection: sends the next request when the last was answered, until the deadline."""

    def __init__(self, order: Order, tally: Tally) -> None:
        self._order = order
        self._tally = tally
        self._body = bytearray()
        self._sent_ns = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._parser = httptools.HttpResponseParser(self)
        self._send()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._tally.errors["read"] += 1
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._sent_ns:
            self._tally.errors["read"] += 1
        if not self.done.done():
            self.done.set_result(None)

    # httptools

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self._tally.latencies.append(time.perf_counter_ns() - self._sent_ns)
        self._sent_ns = 0
        if self._parser.get_status_code() != 200 or self._body != self._order.expected:
            self._tally.errors["answer"] += 1
        self._body.clear()
        if time.monotonic() >= self._tally.deadline or not self._parser.should_keep_alive():
            self._transport.close()
        else:
            self._send()

    def _send(self) -> None:
        self._sent_ns = time.perf_counter_ns()
        self._transport.write(self._order.request)


async def generate(order: Order) -> str:
    """Run the load and return the RESULT line."""
    started = time.monotonic()
    tally = Tally(started + order.seconds)
    await asyncio.gather(*[_keep_one_connection(order, tally) for _ in range(order.connections)])
    return result_line(tally.latencies, tally.errors, time.monotonic() - started)


def result_line(latencies_ns: Sequence[int], errors: Counter[str], seconds: float) -> str:
    """`errors["answer"]` are among the latencies, the other kinds are not: they were never answered.

    >>> result_line([1000, 3000], Counter(), 2.0)[:45]
    'RESULT {"requests": 2, "duration_us": 2000000'
    """
    ordered = sorted(latencies_ns) or [0]
    return "RESULT " + json.dumps(
        {
            "requests": len(latencies_ns),
            "duration_us": round(seconds * 1e6),
            "p50_us": _percentile(ordered, 50) / 1e3,
            "p90_us": _percentile(ordered, 90) / 1e3,
            "p99_us": _percentile(ordered, 99) / 1e3,
            "max_us": ordered[-1] / 1e3,
            "errors": {kind: errors[kind] for kind in ("connect", "read", "write", "timeout", "answer")},
        }
    )


def order_from(arguments: Sequence[str]) -> Order:
    url, body, expected, connections, seconds, *headers = arguments
    parts = urlsplit(url)
    head = [f"POST {parts.path} HTTP/1.1", f"Host: {parts.netloc}", "Content-Type: application/json"]
    head += [": ".join(header.split("=", 1)) for header in headers] + [f"Content-Length: {len(body.encode())}"]
    request = "\r\n".join(head).encode() + b"\r\n\r\n" + body.encode()
    return Order(parts.hostname or "", parts.port or 80, request, expected.encode(), int(connections), float(seconds))


async def _keep_one_connection(order: Order, tally: Tally) -> None:
    loop = asyncio.get_running_loop()
    while time.monotonic() < tally.deadline:
        try:
            _, connection = await loop.create_connection(lambda: Connection(order, tally), order.host, order.port)
        except OSError:
            tally.errors["connect"] += 1
            await asyncio.sleep(0.01)
            continue
        try:
            await within(max(0.0, tally.deadline - time.monotonic()) + 10.0, connection.done)
        except asyncio.TimeoutError:
            tally.errors["timeout"] += 1


def _percentile(ordered: Sequence[int], percent: int) -> int:
    return ordered[rank(len(ordered), percent)]


if __name__ == "__main__":
    print(uvloop.run(generate(order_from(sys.argv[1:]))))
