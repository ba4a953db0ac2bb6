"""Headers of the answers to calls."""

from __future__ import annotations

from rayfaas.envelope import ResultHeader
from rayfaas.gateway.asgi import HeaderList
from rayfaas.gateway.pending import PendingCall


def result_headers(call: PendingCall, ended: ResultHeader, body: bytes) -> HeaderList:
    """Raises ValueError where the executor gave a type that would break out of its header."""
    if not ended.content_type.isprintable():
        raise ValueError(f"{ended.content_type!r} is not a Content-Type")
    return head_of(call, ended.content_type, body)


def head_of(call: PendingCall, content_type: str, body: bytes) -> HeaderList:
    """Of an answer in one piece."""
    return [(b"content-type", content_type.encode()), (b"content-length", b"%d" % len(body)), *call_headers(call)]


def call_headers(call: PendingCall) -> HeaderList:
    """What every answer tells of its call; times in ms, where it has ended."""
    headers = [
        (b"rayfaas-call-id", call.call_id.encode()),
        (b"rayfaas-version", str(call.route.version.number).encode()),
    ]
    if call.route.alias:
        headers.append((b"rayfaas-alias", call.route.alias.encode()))
    if call.cold:
        headers.append((b"rayfaas-cold", b"1"))
    if call.route.notices:
        headers += call.route.notices
    if call.rate is not None:
        headers += call.rate
    if call.ended is not None and call.dispatched_ns:
        queue_ms, run_ms = (call.dispatched_ns - call.accepted_ns) / 1e6, call.ended.run_us / 1e3
        headers.append((b"server-timing", b"queue;dur=%.2f, run;dur=%.2f" % (queue_ms, run_ms)))
    return headers
