"""What a call came to, as it is kept where it was spawned, and as it is answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from rayfaas.envelope import ErrorHeader, OutputHeader, ResultHeader
from rayfaas.errors import BodyTooLarge, RayfaasError, Unavailable, to_problem
from rayfaas.frames import Kind, Message
from rayfaas.gateway.asgi import Send, send_whole
from rayfaas.gateway.pending import PendingCall
from rayfaas.gateway.problems import send_error, send_problem
from rayfaas.wire import JSON

# Bodies and results of spawned calls are kept in the journal and the registry, whole answers in memory.
MAX_BODY = 16 << 20

_BEFORE_THE_END = (Kind.ITEM, Kind.LOG, Kind.OUTPUT)
_decode_output = msgspec.msgpack.Decoder(OutputHeader).decode


class Outcome(msgspec.Struct):
    """A result, or a problem document."""

    content_type: str
    body: bytes
    problem: dict[str, Any] | None = None

    @classmethod
    def of_error(cls, error: RayfaasError) -> Outcome:
        return cls("", b"", to_problem(error))


async def send_outcome(
    send: Send, outcome: Outcome | None, call_id: str, more: Sequence[tuple[bytes, bytes]] = ()
) -> None:
    """Answer as the call itself would have, with `more` headers; with 503 where its outcome is not known yet."""
    headers = [(b"rayfaas-call-id", call_id.encode()), *more]
    if outcome is None:
        still = Unavailable("The call has not ended yet. Ask again, or for longer: `Prefer: wait=30`.", call=call_id)
        await send_error(send, still, headers)
    elif outcome.problem is not None:
        await send_problem(send, outcome.problem, headers)
    else:
        head = [
            (b"content-type", outcome.content_type.encode()),
            (b"content-length", str(len(outcome.body)).encode()),
        ]
        await send_whole(send, 200, head + headers, outcome.body)


async def outcome_of(call: PendingCall) -> Outcome:
    """Its result; of a generator, the JSON array of its items, or the bytes that it made."""
    message = await call.answer()
    items: list[bytes] = []
    size, output = 0, None
    while message.kind in _BEFORE_THE_END:
        if message.kind != Kind.LOG:
            if message.kind == Kind.OUTPUT:
                output = output or _decode_output(message.header)
            items.append(message.body)
            size += len(message.body)
            if size > MAX_BODY:
                raise _too_large()
            if call.executor is not None:
                call.executor.grant(call, 1)
        message = await call.next_item()
    return _ended(call, message, items, output)


def _ended(call: PendingCall, message: Message, items: list[bytes], output: OutputHeader | None) -> Outcome:
    ended = call.ended
    if isinstance(ended, ErrorHeader):
        return Outcome("", b"", {**ended.problem, "call": call.call_id})
    assert isinstance(ended, ResultHeader)
    if output is not None:
        content_type, body = output.content_type, b"".join((*items, message.body))
    elif ended.items is not None:
        content_type, body = JSON, b"[" + b",".join(items) + b"]"
    else:
        content_type, body = ended.content_type, message.body
    return Outcome(content_type, body) if len(body) <= MAX_BODY else Outcome.of_error(_too_large())


def _too_large() -> BodyTooLarge:
    return BodyTooLarge(
        f"A result that is kept may have {MAX_BODY:,} bytes, all items together. Have the function put it into a "
        "store and return where it is."
    )
