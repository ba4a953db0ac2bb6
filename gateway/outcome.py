"""What a spawned call came to, as it is kept and as it is answered."""

from __future__ import annotations

from typing import Any

import msgspec

from rayfaas.errors import RayfaasError, Unavailable, to_problem
from rayfaas.gateway.problems import Send, send_error, send_problem


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
