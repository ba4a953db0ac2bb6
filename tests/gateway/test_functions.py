"""Scaling and deleting over HTTP, and what callers of something that was deleted are told."""

from __future__ import annotations

import pytest

from tests.gateway.small import SmallGateway

FUNCTION = "/v1/functions/nlp/embed"


async def test_a_scaling_is_handed_on_as_it_was_said(gateway: SmallGateway) -> None:
    gateway.controller.answers["scale"] = {"clusters": ["local"]}
    answer = await gateway.ask("PATCH", f"{FUNCTION}/scaling", b'{"min_replicas": 1, "message": "busy"}', "dora")
    assert answer.json() == {"clusters": ["local"]}
    asked = gateway.controller.asked_for("scale")
    assert (asked["scaling"], asked["actor"]) == ({"min_replicas": 1, "message": "busy"}, "dora")


@pytest.mark.parametrize(
    "body",
    [b'{"min_replicas": -1}', b'{"max_replicas": 0}', b'{"min_replicas": 1.5}', b'{"min_replicas": "1"}',
     b'{"target_concurrency": 0}', b'{"scale_down_after_s": 1e400}', b'{"replicas": 3}', b"[]", b"{"],
)  # fmt: skip
async def test_a_scaling_that_is_none_is_refused(gateway: SmallGateway, body: bytes) -> None:
    answer = await gateway.ask("PATCH", f"{FUNCTION}/scaling", body, "dora")
    assert (answer.status, gateway.controller.asked) == (400, [])


@pytest.mark.parametrize("version", ["x", "1.5", "-1", "1" * 10, "%C2%B2"])
async def test_a_version_is_a_number(gateway: SmallGateway, version: str) -> None:
    answer = await gateway.ask("DELETE", f"{FUNCTION}/versions/{version}", who="dora")
    assert (answer.code, gateway.controller.asked) == ("bad_request", [])


async def test_why_something_is_deleted_is_handed_on(gateway: SmallGateway) -> None:
    await gateway.ask("DELETE", f"{FUNCTION}?message=old", who="dora")
    await gateway.ask("DELETE", f"{FUNCTION}/versions/3", who="dora")
    asked = [(each["version"], each["message"]) for name, each in gateway.controller.asked if name == "delete"]
    assert asked == [(None, "old"), (3, "")]


async def test_callers_are_told_that_it_was_deleted_and_why(gateway: SmallGateway) -> None:
    route = {"team": "nlp", "name": "embed", "versions": [], "aliases": {}, "gone": "nlp/embed was deleted: old."}
    await gateway.controller.table.applied(await gateway.controller.table.set_function(route))
    for target in ("embed", "embed:3", "embed@prod"):
        answer = await gateway.call(target=target).answer()
        assert (answer.status, answer.code, answer.json()["detail"]) == (
            404,
            "not_found",
            "nlp/embed was deleted: old.",
        )


async def test_callers_of_a_deleted_version_are_told_so(gateway: SmallGateway) -> None:
    route = {"team": "nlp", "name": "embed", "versions": [], "aliases": {}, "deleted": {3: "nlp/embed:3 was deleted."}}
    await gateway.controller.table.applied(await gateway.controller.table.set_function(route))
    answer = await gateway.call(target="embed:3").answer()
    assert (answer.status, answer.json()["detail"]) == (404, "nlp/embed:3 was deleted.")


async def test_versions_that_ended_are_forgotten(gateway: SmallGateway) -> None:
    for number in range(50):
        gateway.dispatcher.pool(f"nlp/embed:{number}")
    assert gateway.dispatcher.load() == {}
    assert gateway.dispatcher._pools == {}
