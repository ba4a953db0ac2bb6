"""Deprecated functions: kept, told in the view of functions, and every change in the audit."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from rayfaas.errors import NotFound
from rayfaas.registry.registry import Registry
from tests.registry.builders import publish
from tests.registry.test_catalog import activate, deploy

SUNSET = datetime(2027, 3, 1, tzinfo=timezone.utc)


def test_it_is_deprecated_since_that_was_said_first(registry: Registry) -> None:
    first = registry.deprecations.put("red", "f", None, None, "ann", "slow")
    again = registry.deprecations.put("red", "f", SUNSET, "red/g", "bob", "g is there")
    assert again.deprecated_at == first.deprecated_at
    assert registry.deprecations.all() == {("red", "f"): again}
    assert (again.deprecated_by, again.sunset_at, again.successor, again.reason) == (
        "bob",
        SUNSET,
        "red/g",
        "g is there",
    )


def test_every_change_is_in_the_audit(registry: Registry) -> None:
    registry.deprecations.put("red", "f", SUNSET, "red/g", "ann", "slow")
    registry.deprecations.drop("red", "f", "bob", "not yet")
    assert registry.deprecations.all() == {}
    with pytest.raises(NotFound, match="red/f is not deprecated"):
        registry.deprecations.drop("red", "f", "bob", "")
    sql = "SELECT actor, action, subject, detail ->> 'successor', detail ->> 'reason' FROM audit ORDER BY done_at"
    assert registry.query(sql, [], None).rows == [
        ["ann", "function deprecated", "red/f", "red/g", "slow"],
        ["bob", "deprecation ended", "red/f", None, "not yet"],
    ]


def test_it_is_told_where_functions_and_interfaces_are_listed(registry: Registry) -> None:
    deploy(registry.catalog, publish())
    activate(registry.catalog, 1, interface={"doc": "one"})
    registry.deprecations.put("red", "f", SUNSET, "red/g", "ann", "slow")
    (function,), (interface,) = registry.catalog.functions(), registry.catalog.interfaces()
    assert (function.sunset_at, function.successor) == (SUNSET, "red/g")
    assert (interface.is_deprecated, interface.successor) == (True, "red/g")
    sql = "SELECT deprecated_by, sunset_at, successor FROM functions"
    assert registry.query(sql, [], None).rows == [["ann", SUNSET.isoformat(), "red/g"]]
