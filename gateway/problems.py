"""Errors on their way out: the one place where they become HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from rayfaas.errors import PROBLEM_JSON, FunctionError, RayfaasError, to_problem
from rayfaas.gateway.asgi import HeaderList, Send, send_whole

# They are sent as headers.
_RATE_LIMITS = ("rate_limit", "rate_limit_policy")
_LONGEST_CODE = 64

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


def sound(problem: dict[str, Any]) -> dict[str, Any]:
    """A problem that an executor tells, in which code of a user may have written anything: with a status of a failure,
    a code, and nothing that is not fit to be a header.

    >>> sound({"status": 204, "code": "x", "retryable": False, "retry_after_s": "1\\r\\nSet-Cookie: a=b"})
    {'status': 500, 'code': 'x', 'retryable': False}
    """
    status, code, retryable = (problem.get(name) for name in ("status", "code", "retryable"))
    is_failure = type(status) is int and 400 <= status <= 599
    told = {name: value for name, value in problem.items() if _is_fit(name, value)}
    return told | {
        "status": status if is_failure else 500,
        "code": code if isinstance(code, str) and len(code) <= _LONGEST_CODE else FunctionError.code,
        "retryable": retryable is True,
    }


def _is_fit(name: str, value: Any) -> bool:
    if name == "retry_after_s":
        return isinstance(value, int | float) and 0 <= value < 1e9
    return name not in _RATE_LIMITS or (isinstance(value, str) and value.isascii() and value.isprintable())


def extra_headers(problem: Mapping[str, Any]) -> HeaderList:
    """What the standards ask for beside the status."""
    status = problem["status"]
    if status == 401:
        return [(b"www-authenticate", b'Bearer realm="rayfaas"')]
    if status not in (429, 503):
        return []
    headers = [(b"retry-after", str(problem.get("retry_after_s", 1)).encode())]
    if all(name in problem for name in _RATE_LIMITS):
        headers.append((b"ratelimit-policy", problem["rate_limit_policy"].encode()))
        headers.append((b"ratelimit", problem["rate_limit"].encode()))
    return headers
