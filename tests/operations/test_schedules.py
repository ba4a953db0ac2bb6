"""A client's words for schedules become requests, and nothing is sent that was not said."""

from __future__ import annotations

from typing import Any

import pytest

import rayfaas
from rayfaas.errors import BadRequest
from tests.operations.connected import connected

PATH = "/v1/functions/nlp/embed/schedules/nightly"
HOURLY = rayfaas.Period(hours=1)


@pytest.mark.parametrize(
    ("target", "schedule", "sent"),
    [
        ("embed", HOURLY, {"every_s": 3600.0, "timezone": "UTC", "alias": "live"}),
        (
            "nlp/embed",
            rayfaas.Cron("0 8 * * *", timezone="Europe/Berlin", arguments=[1], overlap="allow"),
            {"cron": "0 8 * * *", "timezone": "Europe/Berlin", "arguments": [1], "overlap": "allow"},
        ),
        ("nlp/embed.train", HOURLY, {"method": "train"}),
    ],
)
def test_a_schedule_is_sent_as_it_was_said(target: str, schedule: rayfaas.Cron, sent: dict[str, Any]) -> None:
    with connected({f"PUT {PATH}": {"next": []}}) as (client, server):
        assert client.schedule(target, schedule, name="nightly", message="why") == {"next": []}
        body = server.requests[-1].json()
        assert {name: body[name] for name in sent} == sent
        assert body["message"] == "why"
        assert ("cron" in body) != ("every_s" in body)


def test_one_is_suspended_resumed_removed_and_all_are_listed() -> None:
    table = {
        f"POST {PATH}/suspend": {"next_at": None},
        f"POST {PATH}/resume": {"next_at": "2026-11-30T08:00:00+01:00"},
        f"DELETE {PATH}": None,
        "GET /v1/schedules": {"schedules": [{"schedule": "nightly"}]},
    }
    with connected(table) as (client, server):
        assert client.suspend_schedule("embed", name="nightly", message="down") == {"next_at": None}
        assert server.requests[-1].json() == {"message": "down"}
        assert client.resume_schedule("embed", name="nightly")["next_at"]
        client.remove_schedule("embed", name="nightly", message="over")
        assert (server.requests[-1].method, server.requests[-1].path) == ("DELETE", PATH)
        assert client.schedules() == [{"schedule": "nightly"}]


@pytest.mark.parametrize("target", ["embed:3", "embed@prod", "no target"])
def test_what_is_no_function_or_method_is_not_sent(target: str) -> None:
    with connected({}) as (client, server):
        with pytest.raises(BadRequest):
            client.schedule(target, HOURLY)
        with pytest.raises(BadRequest, match="schedule"):
            client.schedule("nlp/embed", HOURLY, name="no/name")
        assert server.requests == []
