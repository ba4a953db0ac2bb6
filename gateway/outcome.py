"""What a call came to, as it is kept where it was spawned, and as it is answered."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from rayfaas.envelope import ErrorHeader, ResultHeader
from rayfaas.errors import BodyTooLarge, RayfaasError, Unavailable, to_problem
from rayfaas.frames import Kind, Message
from rayfaas.gateway.pending import PendingCall
from rayfaas.gateway.problems import Send, send_error, send_problem
from rayfaas.wire import JSON

# Bodies and results of spawned calls are kept in the journal and the registry, whole answers in memory.
MAX_BODY = 16 << 20


class Outcome(msgspec.Struct):
    """A result, or a problem document."""

    content_type: str
    body: bytes
    problem: dict[str, Any] | None = None

    @classmethod
    def of_error(cls, error: RayfaasError) -> Outcome:
        return cls("", b"", to_problem(error))


async def send_outcome(send: Send, outcome: Outcome | None, call_id: str) -> None:
    """Answer as the call itself would have; with 503 where its outcome is not known yet."""
    headers = [(b"rayfaas-call-id", call_id.encode())]
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
        await send({"type": "http.response.start", "status": 200, "headers": head + headers})
        await send({"type": "http.response.body", "body": outcome.body})


async def outcome_of(call: PendingCall) -> Outcome:
    """Its result; of a generator, the JSON array of its items."""
    message = await call.answer()
    items: list[bytes] = []
    size = 0
    while message.kind == Kind.ITEM or message.kind == Kind.LOG:
        if message.kind == Kind.ITEM:
            items.append(message.body)
            size += len(message.body)
            if size > MAX_BODY:
                raise BodyTooLarge(f"The items of a call whose result is kept may have {MAX_BODY:,} bytes together.")
            if call.executor is not None:
                call.executor.grant(call, 1)
        message = await call.next_item()
    return _ended(call, message, items)


def _ended(call: PendingCall, message: Message, items: Iterable[bytes]) -> Outcome:
    ended = call.ended
    if isinstance(ended, ErrorHeader):
        return Outcome("", b"", {**ended.problem, "call": call.call_id})
    assert isinstance(ended, ResultHeader)
    if ended.items is not None:
        return Outcome(JSON, b"[" + b",".join(items) + b"]")
    if len(message.body) > MAX_BODY:
        return Outcome.of_error(BodyTooLarge(f"A result that is kept may have {MAX_BODY:,} bytes."))
    return Outcome(ended.content_type, message.body)
