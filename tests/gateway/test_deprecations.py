"""A function is deprecated over HTTP, and every answer of it says so."""

from __future__ import annotations

import pytest

from tests.gateway.controller import version_route
from tests.gateway.small import SmallGateway
from tests.gateway.test_control import FUNCTION

DEPRECATION = f"{FUNCTION}/deprecation"


async def test_it_is_deprecated_and_no_more(gateway: SmallGateway) -> None:
    gateway.controller.answers["deprecate"] = gateway.controller.answers["end_deprecation"] = {}
    await gateway.controller.set_function("ads/embed", [version_route(1)], {"live": (1, 1)})
    body = b'{"successor": "ads/embed", "sunset_at": "2099-03-01", "message": "slow"}'
    assert (await gateway.ask("PUT", DEPRECATION, body, "dora")).status == 200
    of = {"team": "nlp", "name": "embed", "actor": "dora"}
    told = {"successor": "ads/embed", "sunset_at": "2099-03-01T00:00:00+00:00", "reason": "slow"}
    assert gateway.controller.asked_for("deprecate") == {**of, **told}
    assert (await gateway.ask("DELETE", f"{DEPRECATION}?message=over", who="dora")).status == 200
    assert gateway.controller.asked_for("end_deprecation") == {**of, "reason": "over"}


@pytest.mark.parametrize(
    "body",
    [b'{"successor": 1}', b'{"successor": "embed:2"}', b'{"successor": "embed@prod"}', b'{"successor": "Model.f"}',
     b'{"successor": "a b"}', b'{"sunset_at": 1}', b'{"sunset_at": "soon"}', b'{"sunset_at": "2020-01-01"}'],
)  # fmt: skip
async def test_what_is_no_function_and_no_time_to_come_is_a_bad_request(gateway: SmallGateway, body: bytes) -> None:
    answer = await gateway.ask("PUT", DEPRECATION, body, "dora")
    assert (answer.status, answer.code, gateway.controller.asked) == (400, "bad_request", [])


async def test_a_successor_that_is_not_for_who_asks_is_as_if_it_were_not_there(gateway: SmallGateway) -> None:
    await gateway.controller.set_function("ads/secret", [version_route(1)], {"live": (1, 1)}, teams=["ads"])
    hidden = await gateway.ask("PUT", DEPRECATION, b'{"successor": "ads/secret"}', "dora")
    missing = await gateway.ask("PUT", DEPRECATION, b'{"successor": "ads/sesame"}', "dora")
    assert hidden.status == missing.status == 404
    assert hidden.json()["detail"] == missing.json()["detail"].replace("sesame", "secret")


async def test_its_answers_say_so_whatever_they_are(gateway: SmallGateway) -> None:
    deprecation = {"at_s": 1_795_824_000, "sunset_s": 1_803_859_200, "successor": "nlp/embed2"}
    await gateway.controller.set_function("nlp/embed", [version_route(1)], {"live": (1, 1)}, deprecation=deprecation)
    executor = await gateway.executor()
    exchange = gateway.call()
    (await executor.call()).returns(2)
    answer = await exchange.answer()
    told = {"deprecation": "@1795824000", "sunset": "Mon, 01 Mar 2027 00:00:00 GMT"}
    assert {name: answer.headers[name] for name in told} == told
    assert answer.headers["link"] == '</call/nlp/embed2>; rel="successor-version"'
