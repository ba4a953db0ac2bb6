"""Who has called something is told what its calls wait for, and only if that is for them."""

from __future__ import annotations

import pytest

from tests.gateway.controller import version_route
from tests.gateway.small import SmallGateway
from tests.waiting import eventually


async def told(gateway: SmallGateway, target: str, who: str = "vera") -> tuple[int, object]:
    answer = await gateway.ask("GET", f"/v1/waiting?target={target}", who=who)
    return answer.status, answer.json().get("event")


@pytest.mark.parametrize("target", ["embed", "embed:1", "nlp/embed@live"])
async def test_the_stage_of_a_version_is_told_by_every_target_that_leads_to_it(
    gateway: SmallGateway, target: str
) -> None:
    assert await told(gateway, target) == (200, None)
    gateway.controller.link.notify("progress", key="nlp/embed:1", event="node_starting", awaits="gpu-1")
    await eventually(lambda: gateway.link.progress.of("nlp/embed:1"))
    assert await told(gateway, target) == (200, "node_starting")
    assert await told(gateway, "embed:2") == (200, None)


async def test_a_function_that_is_being_replaced_is_waited_for(gateway: SmallGateway) -> None:
    await gateway.controller.set_function("nlp/embed", [version_route(1)], {"live": (1, 5)}, parked=True)
    assert await told(gateway, "embed") == (200, "executor")


@pytest.mark.parametrize(
    ("target", "who", "status"),
    [("", "vera", 400), ("no such", "vera", 400), ("other", "vera", 404), ("x", "eve", 401)],
)
async def test_what_is_wrong_is_refused(gateway: SmallGateway, target: str, who: str, status: int) -> None:
    assert (await gateway.ask("GET", f"/v1/waiting?target={target.replace(' ', '%20')}", who=who)).status == status


async def test_what_an_alias_led_to_at_a_moment_is_not_asked_for(gateway: SmallGateway) -> None:
    assert await told(gateway, "embed@live@2026-01-01") == (200, None)
