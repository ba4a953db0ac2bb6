"""The HTTP surface as a whole: whether it lives, whether it is ready, and what is said where there is nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.gateway.small import SmallGateway
from tests.waiting import eventually


async def test_the_process_says_that_it_lives_to_anybody(gateway: SmallGateway) -> None:
    answer = await gateway.ask("GET", "/healthz", who=None)
    assert (answer.status, answer.body) == (200, b"ok\n")
    assert (await gateway.ask("HEAD", "/healthz", who=None)).status == 200


async def test_a_gateway_is_ready_when_it_knows_its_routes_and_stays_so(gateway: SmallGateway) -> None:
    assert (await gateway.ask("GET", "/readyz", who=None)).status == 200
    await gateway.controller.stop()
    await eventually(lambda: not gateway.link.is_up)
    assert (await gateway.ask("GET", "/readyz", who=None)).status == 200


async def test_a_gateway_that_never_heard_of_its_routes_is_not_ready(run_dir: Path) -> None:
    gateway = SmallGateway(run_dir)
    assert (await gateway.ask("GET", "/readyz", who=None)).status == 503
    assert (await gateway.ask("GET", "/healthz", who=None)).status == 200
    gateway.journal.close()


@pytest.mark.parametrize("path", ["/call", "/calls", "/v1", "/v1/", "/v2/functions", "/healthz/x", "//call/embed"])
async def test_where_there_is_nothing_a_problem_says_so(gateway: SmallGateway, path: str) -> None:
    answer = await gateway.ask("GET", path)
    assert (answer.status, answer.code) == (404, "not_found")
    assert path in answer.json()["detail"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/healthz", {"GET", "HEAD"}),
        ("DELETE", "/v1/sql", {"POST"}),
        ("PATCH", "/v1/functions", {"GET", "HEAD"}),
        ("GET", "/v1/bundles/x", {"HEAD"}),
        ("GET", "/call/embed", {"POST"}),
        ("OPTIONS", "/call/nothing", {"POST"}),
    ],
)
async def test_another_method_than_there_is_is_told_which_there_are(
    gateway: SmallGateway, method: str, path: str, allowed: set[str]
) -> None:
    answer = await gateway.ask(method, path)
    assert (answer.status, answer.json()["status"], answer.code) == (405, 405, "method_not_allowed")
    assert allowed <= set(answer.headers["allow"].split(", "))


async def test_what_breaks_in_the_gateway_is_logged_and_not_told_to_strangers(
    gateway: SmallGateway, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.controller.answers["call"] = {"no": "state"}
    answer = await gateway.ask("DELETE", "/calls/01900000-0000-7000-8000-000000000000")
    assert (answer.status, answer.code) == (500, "internal")
    assert "KeyError" not in answer.body.decode()
    assert "state" not in answer.body.decode()
    assert any("KeyError" in str(record.exc_info) for record in caplog.records)


async def test_the_gateway_goes_on_after_what_broke(gateway: SmallGateway) -> None:
    gateway.controller.answers["call"] = {"no": "state"}
    broken = [gateway.ask("DELETE", "/calls/01900000-0000-7000-8000-000000000000") for _ in range(5)]
    assert {answer.status for answer in await asyncio.gather(*broken)} == {500}
    executor = await gateway.executor()
    executor.answers(lambda call: call.returns(1))
    assert (await gateway.call().answer()).status == 200
