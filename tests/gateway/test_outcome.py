"""What a spawned call came to is answered as the call itself would have."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from rayfaas.errors import FunctionError
from rayfaas.gateway.outcome import Outcome, send_outcome
from tests.gateway.asgi import Answer, Exchange, Receive, Send


async def answer_of(outcome: Outcome | None) -> Answer:
    async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        await send_outcome(send, outcome, "the-call")

    return await Exchange(app, "GET", "/", {}).answer()


async def test_a_result_is_answered_with_its_own_type() -> None:
    answer = await answer_of(Outcome("text/csv", b"a,b"))
    assert (answer.status, answer.headers["content-type"], answer.body) == (200, "text/csv", b"a,b")
    assert (answer.headers["content-length"], answer.headers["rayfaas-call-id"]) == ("3", "the-call")


async def test_an_error_is_answered_as_a_problem_of_its_status() -> None:
    answer = await answer_of(Outcome.of_error(FunctionError("boom", exception="ValueError")))
    assert (answer.status, answer.code, answer.json()["exception"]) == (500, "function_error", "ValueError")
    assert answer.headers["rayfaas-call-id"] == "the-call"


async def test_what_is_not_known_yet_is_worth_another_try() -> None:
    answer = await answer_of(None)
    assert (answer.status, answer.json()["retryable"], answer.json()["call"]) == (503, True, "the-call")
    assert answer.headers["retry-after"] == "1"
