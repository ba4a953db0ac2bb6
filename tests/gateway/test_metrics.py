"""`GET /metrics`: who may ask, and that what the controller made comes through as it is."""

from __future__ import annotations

from tests.gateway.small import SmallGateway


async def test_the_figures_come_in_the_format_that_was_asked_for(gateway: SmallGateway) -> None:
    gateway.controller.answers["metrics"] = {"content_type": "text/plain; version=1.0.0", "body": b"up 1\n"}
    answer = await gateway.ask("GET", "/metrics", who="vera", headers={"accept": "text/plain;version=1.0.0"})
    assert (answer.status, answer.headers["content-type"], answer.body) == (200, "text/plain; version=1.0.0", b"up 1\n")
    asked = gateway.controller.asked_for("metrics")
    assert asked["accept"] == "text/plain;version=1.0.0"
    assert asked["actor"] == {"principal": "vera", "team": "nlp", "role": "viewer"}


async def test_nobody_gets_them_without_a_token(gateway: SmallGateway) -> None:
    assert (await gateway.ask("GET", "/metrics", who=None)).status == 401
