"""Errors on their way out: the one place where they become HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from rayfaas.errors import PROBLEM_JSON, RayfaasError, to_problem
from rayfaas.gateway.asgi import HeaderList, Send, send_whole

encode = msgspec.json.Encoder(enc_hook=str).encode


async def send_error(send: Send, error: RayfaasError, headers: HeaderList | None = None) -> None:
    await send_problem(send, to_problem(error), headers)


async def send_problem(send: Send, problem: dict[str, Any], headers: HeaderList | None = None) -> None:
    """Answer with an RFC 9457 problem document."""
    head, body = write_problem(problem)
    await send_whole(send, problem["status"], head + (headers or []), body)


def write_problem(problem: dict[str, Any]) -> tuple[HeaderList, bytes]:
    """Its headers and its body."""
    body = encode(problem)
    head = [
        (b"content-type", PROBLEM_JSON.encode()),
        (b"content-length", str(len(body)).encode()),
        *extra_headers(problem),
    ]
    return head, body


def extra_headers(problem: Mapping[str, Any]) -> HeaderList:
    """What the standards ask for beside the status."""
    status = problem["status"]
    if status == 401:
        return [(b"www-authenticate", b'Bearer realm="rayfaas"')]
    if status not in (429, 503):
        return []
    headers = [(b"retry-after", str(problem.get("retry_after_s", 1)).encode())]
    if "rate_limit" in problem:
        headers.append((b"ratelimit-policy", problem["rate_limit_policy"].encode()))
        headers.append((b"ratelimit", problem["rate_limit"].encode()))
    return headers
