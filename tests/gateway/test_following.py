"""Who follows logs gets each line once, as it comes, and hears when no more will."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rayfaas.errors import NotFound
from rayfaas.wire import NDJSON, SSE
from tests.gateway.asgi import Exchange
from tests.gateway.controller import token_route, version_route
from tests.gateway.small import SmallGateway
from tests.waiting import eventually

CALL = "01900000-0000-7000-8000-000000000000"
FUNCTION = "/v1/logs?function=nlp%2Fembed&limit=7"


def batch(*texts: str, after: int, more: bool = False, end: dict[str, Any] | None = None) -> dict[str, Any]:
    first = after - len(texts) + 1
    lines = [(first + number, {"text": text}) for number, text in enumerate(texts)]
    return {"lines": lines, "after": after, "more": more, "end": end}


def follow(gateway: SmallGateway, url: str, accept: str = NDJSON, **headers: str) -> Exchange:
    return gateway.request("GET", url, who="vera", headers={"Accept": accept, **headers})


async def text(exchange: Exchange) -> str:
    return (await exchange.piece()).decode()


async def test_lines_of_a_call_come_until_its_end(gateway: SmallGateway) -> None:
    gateway.controller.answers |= {
        "call": {"call": CALL, "function": "nlp/embed", "spawned": False},
        "log_lines": batch("a", "b", after=4),
    }
    exchange = follow(gateway, f"/calls/{CALL}/logs")
    assert [json.loads(line) for line in (await text(exchange)).splitlines()] == [
        {"log": {"text": "a"}}, {"log": {"text": "b"}},
    ]  # fmt: skip
    gateway.controller.answers["log_lines"] = batch(after=9)
    await eventually(lambda: gateway.controller.asked_for("log_lines")["after"] == 9)
    end = {"call": CALL, "state": "FAILED", "code": "function_error"}
    gateway.controller.answers["log_lines"] = batch("c", after=10, end=end)
    assert (await exchange.answer()).lines()[-2:] == [{"log": {"text": "c"}}, {"done": end}]
    asked = [parameters["after"] for name, parameters in gateway.controller.asked if name == "log_lines"]
    assert asked[:2] == [-1, 4]


async def test_what_is_there_already_is_sent_without_a_pause(gateway: SmallGateway) -> None:
    gateway.controller.answers["log_lines"] = batch("a", after=4, more=True)
    gateway.ending.set()
    exchange = follow(gateway, FUNCTION)
    for _ in range(3):
        assert "a" in await text(exchange)
    gateway.controller.answers["log_lines"] = batch(after=4)
    last = (await exchange.answer()).lines()[-1]
    assert last["error"]["code"] == "unavailable"  # the gateway ends, which waits for nobody who follows


async def test_events_have_numbers_after_which_one_may_go_on(gateway: SmallGateway) -> None:
    gateway.controller.answers["log_lines"] = batch("a", after=41)
    exchange = follow(gateway, FUNCTION, SSE, **{"Last-Event-ID": "40"})
    assert await text(exchange) == 'id: 41\nevent: log\ndata: {"text":"a"}\n\n'
    asked = next(parameters for name, parameters in gateway.controller.asked if name == "log_lines")
    assert (asked["function"], asked["after"]) == ("nlp/embed", 40)
    await exchange.left()


async def test_the_newest_lines_come_first_where_nothing_else_was_said(gateway: SmallGateway) -> None:
    gateway.controller.answers["log_lines"] = batch(after=41)
    exchange = follow(gateway, FUNCTION)
    await eventually(lambda: exchange.has_answer)
    asked = next(parameters for name, parameters in gateway.controller.asked if name == "log_lines")
    assert (asked["after"], asked["limit"]) == (None, 7)
    await exchange.left()


async def test_who_reads_slowly_is_asked_for_no_more_and_loses_nothing(gateway: SmallGateway) -> None:
    gateway.controller.answers["log_lines"] = batch("a", after=1, more=True)
    exchange = follow(gateway, FUNCTION)
    await text(exchange)
    exchange.reads.clear()
    asked = len(gateway.controller.asked)
    await gateway.ask("GET", "/v1/functions", who="vera")
    assert len(gateway.controller.asked) <= asked + 2
    await exchange.left()


async def test_a_controller_that_comes_back_is_asked_on(gateway: SmallGateway) -> None:
    gateway.controller.answers["log_lines"] = batch("a", after=1)
    exchange = follow(gateway, FUNCTION)
    await text(exchange)
    await gateway.controller.stop()
    await eventually(lambda: not gateway.link.is_up)
    gateway.controller.answers["log_lines"] = batch("b", after=2)
    await gateway.controller.start()
    assert "b" in await text(exchange)
    await exchange.left()


async def test_what_is_against_it_is_an_error_before_and_after_the_first_line(gateway: SmallGateway) -> None:
    gateway.controller.answers["log_lines"] = NotFound("no such function")
    assert (await follow(gateway, FUNCTION).answer()).code == "not_found"
    assert (await follow(gateway, "/v1/logs?call=1").answer()).code == "bad_request"
    gateway.controller.answers["log_lines"] = batch(after=1)
    exchange = follow(gateway, FUNCTION)
    await eventually(lambda: exchange.has_answer)
    gateway.controller.answers["log_lines"] = NotFound("no such function")
    assert (await exchange.answer()).lines()[-1]["error"]["code"] == "not_found"


@pytest.mark.parametrize("header", ["x", "-1", "1" * 30, "٣"])
async def test_what_is_no_number_of_a_line_is_a_bad_request(gateway: SmallGateway, header: str) -> None:
    headers = {"Last-Event-ID": header.encode()}
    answer = await gateway.ask("GET", FUNCTION, who="vera", headers={"Accept": SSE, **headers})
    assert answer.code == "bad_request"


@pytest.mark.parametrize("url", [FUNCTION, f"/calls/{CALL}/logs"])
async def test_who_may_not_any_more_hears_no_more(gateway: SmallGateway, url: str) -> None:
    gateway.controller.answers |= {
        "call": {"call": CALL, "function": "nlp/embed", "spawned": False},
        "log_lines": batch("a", after=4),
    }
    exchange = follow(gateway, url)
    assert '"a"' in await text(exchange)
    await gateway.controller.set_tokens(("dora", "nlp", "deployer"))
    last = (await exchange.answer()).lines()[-1]
    assert last["error"]["code"] == "unauthenticated"


async def test_a_function_that_is_closed_meanwhile_is_followed_no_more(gateway: SmallGateway) -> None:
    gateway.controller.answers["log_lines"] = batch("a", after=4)
    exchange = gateway.request("GET", FUNCTION, who="otto", headers={"Accept": NDJSON})
    assert '"a"' in await text(exchange)
    await gateway.controller.set_function("nlp/embed", [version_route(1)], {"live": (1, 1)}, teams=["nlp"])
    assert (await exchange.answer()).lines()[-1]["error"]["code"] == "not_found"


@pytest.mark.parametrize("url", [FUNCTION, f"/calls/{CALL}/logs"])
async def test_who_is_in_a_team_no_more_is_not_shown_what_it_sees(gateway: SmallGateway, url: str) -> None:
    both = token_route("vera", "nlp", "viewer") | {"teams": {"nlp": "viewer", "ads": "viewer"}}
    await gateway.controller.table.applied(await gateway.controller.table.set_tokens([both]))
    gateway.controller.answers |= {
        "call": {"call": CALL, "function": "nlp/embed", "spawned": False},
        "log_lines": batch("a", after=1),
    }
    exchange = follow(gateway, url)
    await text(exchange)
    await gateway.controller.set_tokens(("vera", "ads", "viewer"))
    await eventually(lambda: gateway.controller.asked_for("log_lines")["actor"]["team"] == "ads")
    await exchange.left()


async def test_lines_of_a_call_end_when_its_function_is_hidden(gateway: SmallGateway) -> None:
    await gateway.controller.set_tokens(("vera", "ads", "viewer"))
    gateway.controller.answers |= {
        "call": {"call": CALL, "function": "nlp/embed", "spawned": False},
        "log_lines": batch("a", after=1),
    }
    exchange = follow(gateway, f"/calls/{CALL}/logs")
    await text(exchange)
    await gateway.controller.set_function("nlp/embed", [version_route(1)], {"live": (1, 9)}, teams=["nlp"])
    assert (await exchange.answer()).lines()[-1]["error"]["code"] == "not_found"
