"""Errors leave as RFC 9457 problem documents, with what the standards ask for beside the status."""

from __future__ import annotations

from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import pytest

from rayfaas.errors import BY_CODE, BodyTooLarge, FunctionError, RayfaasError, to_problem
from rayfaas.gateway.problems import send_error, send_problem
from tests.gateway.asgi import Answer, Exchange, Receive, Send


async def answer_to(error: RayfaasError, headers: list[tuple[bytes, bytes]] | None = None) -> Answer:
    async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        await send_error(send, error, headers)

    return await Exchange(app, "GET", "/", {}).answer()


@pytest.mark.parametrize("kind", BY_CODE.values(), ids=BY_CODE)
async def test_every_error_has_the_members_of_a_problem_and_ours(kind: type[RayfaasError]) -> None:
    answer = await answer_to(kind("what went wrong"))
    assert answer.json() == {
        "type": f"urn:rayfaas:problem:{kind.code}",
        "title": kind.title,
        "status": kind.status,
        "detail": "what went wrong",
        "code": kind.code,
        "retryable": kind.retryable,
    }
    assert answer.status == kind.status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["content-length"] == str(len(answer.body))


@pytest.mark.parametrize("kind", BY_CODE.values(), ids=BY_CODE)
async def test_who_may_try_again_is_told_when_and_who_is_unknown_how(kind: type[RayfaasError]) -> None:
    headers = (await answer_to(kind())).headers
    assert ("retry-after" in headers) == (kind.status in (429, 503))
    assert ("www-authenticate" in headers) == (kind.status == 401)


async def test_further_members_stand_beside_the_others() -> None:
    problem = (await answer_to(BodyTooLarge("too large", limit=5))).json()
    assert (problem["limit"], problem["code"]) == (5, "body_too_large")


async def test_further_headers_are_sent_too() -> None:
    assert (await answer_to(RayfaasError(), [(b"rayfaas-call-id", b"x")])).headers["rayfaas-call-id"] == "x"


async def test_members_that_json_has_no_word_for_are_sent_as_text() -> None:
    problem = to_problem(FunctionError("boom", where=Path("/x"), what={1, 2}, why=complex(1, 2)))

    async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        await send_problem(send, problem)

    sent = (await Exchange(app, "GET", "/", {}).answer()).json()
    assert (sent["where"], sent["what"], sent["why"]) == ("/x", [1, 2], "(1+2j)")
