"""Wrong tokens are told so a number of times from each address, and right ones are answered at any time."""

from __future__ import annotations

import pytest

from rayfaas.errors import Forbidden, RateLimited, Unauthenticated
from rayfaas.gateway.wrong_tokens import AT_ONCE, MOST_ADDRESSES, PER_S, WrongToken, WrongTokens
from tests.gateway.small import SmallGateway
from tests.gateway.sockets import Client, post, served

WRONG = WrongToken()


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def refused(tokens: WrongTokens, address: str, times: int) -> int:
    """How many of so many are told to come later."""
    return sum(isinstance(tokens.judged(WRONG, (address, 1)), RateLimited) for _ in range(times))


def test_so_many_are_told_that_they_are_wrong_and_the_others_when_to_come() -> None:
    clock = Clock()
    tokens = WrongTokens(clock)
    assert refused(tokens, "192.0.2.1", AT_ONCE) == 0
    error = tokens.judged(WRONG, ("192.0.2.1", 5))
    assert isinstance(error, RateLimited)
    assert (error.status, error.extra["retry_after_s"]) == (429, 3)
    clock.now = 1 / PER_S
    assert refused(tokens, "192.0.2.1", 2) == 1


def test_each_address_is_counted_for_itself_and_of_ipv6_each_network() -> None:
    tokens = WrongTokens(Clock())
    assert refused(tokens, "192.0.2.1", AT_ONCE + 1) == 1
    assert refused(tokens, "192.0.2.2", AT_ONCE) == 0
    assert sum(refused(tokens, f"2001:db8::{n:x}", 1) for n in range(1, AT_ONCE + 3)) == 2
    assert refused(tokens, "2001:db8:0:1::1", 1) == 0
    assert refused(tokens, "::ffff:192.0.2.1", 1) == 1


@pytest.mark.parametrize("error", [Unauthenticated("no header"), Forbidden()])
def test_what_is_no_wrong_token_is_not_counted(error: Exception) -> None:
    tokens = WrongTokens(Clock())
    for _ in range(3 * AT_ONCE):
        assert tokens.judged(error, ("192.0.2.1", 1)) is error  # type: ignore[arg-type]


def test_no_more_addresses_are_remembered_than_said() -> None:
    tokens = WrongTokens(Clock())
    for n in range(MOST_ADDRESSES + 50):
        tokens.judged(WRONG, (f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", 1))
    assert len(tokens) == MOST_ADDRESSES


async def test_who_guesses_locks_nobody_out_behind_the_same_address(gateway: SmallGateway) -> None:
    (await gateway.executor()).answers(lambda call: call.returns("fine"))
    async with served(gateway.app, gateway.direct) as port:
        client = await Client.connect(port)
        statuses = []
        for n in range(AT_ONCE + 5):
            await client.send(post("/call/embed", b"1", f"Authorization: Bearer guess{n}"))
            answer = await client.answer()
            statuses.append(answer.status)
        assert statuses == [401] * AT_ONCE + [429] * 5
        assert int(answer.headers["retry-after"]) >= 1
        await client.send(post("/call/embed", b"1", "Authorization: Bearer ivan"))
        assert (await client.answer()).json() == "fine"
        await client.close()


@pytest.mark.parametrize("path", ["/v1/whoami", "/call/embed", "/app/embed/x", "/calls/x", "/openapi.json"])
async def test_they_are_counted_on_every_way_in(gateway: SmallGateway, path: str) -> None:
    method = "POST" if path.startswith("/call/") else "GET"
    answers = [await gateway.ask(method, path, who=f"guess{n}") for n in range(AT_ONCE + 1)]
    assert [each.status for each in answers] == [401] * AT_ONCE + [429]
    assert (answers[-1].code, answers[-1].headers["retry-after"]) == ("rate_limited", "3")
    assert (await gateway.ask("GET", "/v1/whoami", who="ivan")).status == 200
