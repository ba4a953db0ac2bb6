"""Alarms wait from the moment that they are raised until they were told, whatever happens to who tells them."""

from __future__ import annotations

from typing import Any

import pytest

from rayfaas.errors import NotFound
from rayfaas.registry.registry import Registry

URL = "https://example.com/secret-path"


def event(registry: Registry, at_us: int = 1, alarm: bool = True) -> None:
    registry.machines.add_event(at_us, "local", "gpu", "gpu-1", "vanished", "somebody else ended it", alarm)


def due(registry: Registry, now: int = 10) -> list[dict[str, Any]]:
    return registry.alarms.due(now, 10)


def states(registry: Registry) -> list[Any]:
    sql = "SELECT webhook_state FROM node_events ORDER BY happened_at"
    return [row[0] for row in registry.query(sql, [], None).rows]


def test_alarms_that_are_raised_while_there_is_a_webhook_wait_and_other_events_do_not(registry: Registry) -> None:
    event(registry)
    registry.alarms.set_webhook(URL, "ada")
    event(registry, 2, alarm=False)
    event(registry, 3)
    (waiting,) = due(registry)
    assert (waiting["at_us"], waiting["event"], waiting["attempts"]) == (3, "vanished", 0)
    assert states(registry) == [None, None, None]


def test_an_alarm_is_due_again_at_its_time_until_it_was_told(registry: Registry) -> None:
    registry.alarms.set_webhook(URL, "ada")
    event(registry)
    (alarm,) = due(registry)
    registry.alarms.settle(alarm["alarm"], "WAITING", 1, 100, "It answered 500.")
    assert due(registry, 99) == []
    assert [each["attempts"] for each in due(registry, 100)] == [1]
    assert registry.alarms.webhook() == {"url": URL, "set_by": "ada", "waiting": 1, "problem": "It answered 500."}
    registry.alarms.settle(alarm["alarm"], "DELIVERED", 2, 200, None)
    assert (due(registry, 1000), states(registry)) == ([], ["DELIVERED"])


def test_what_waits_is_dropped_with_the_webhook_and_kept_with_another(registry: Registry) -> None:
    registry.alarms.set_webhook(URL, "ada")
    event(registry)
    registry.alarms.set_webhook("https://example.org", "bob")
    assert len(due(registry)) == 1
    registry.alarms.drop_webhook("ada")
    assert (due(registry), registry.alarms.webhook()) == ([], None)
    with pytest.raises(NotFound, match="rayfaas webhook alarms URL"):
        registry.alarms.drop_webhook("ada")


def test_the_audit_has_the_host_and_not_what_may_be_secret(registry: Registry) -> None:
    registry.alarms.set_webhook(URL, "ada")
    registry.alarms.drop_webhook("ada")
    rows = registry.query("SELECT actor, action, subject, detail FROM audit ORDER BY done_at", [], None).rows
    assert rows == [
        ["ada", "alarm webhook set", "example.com", "{}"],
        ["ada", "alarm webhook dropped", "example.com", "{}"],
    ]
