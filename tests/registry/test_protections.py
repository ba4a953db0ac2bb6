"""Protected aliases: kept, and every change of them in the audit."""

from __future__ import annotations

import pytest

from rayfaas.errors import NotFound
from rayfaas.registry.registry import Registry


def test_they_are_kept_until_they_are_dropped(registry: Registry) -> None:
    registry.protections.put("red", "f", "prod", ["ann"], "root", "audited")
    registry.protections.put("red", "f", "prod", ["bob", "red:admin"], "root", "ann left")
    (row,) = registry.protections.all()
    assert (row.who, row.set_by, row.reason) == (("bob", "red:admin"), "root", "ann left")
    registry.protections.drop("red", "f", "prod", "root", "over")
    assert registry.protections.all() == []
    with pytest.raises(NotFound, match="not protected"):
        registry.protections.drop("red", "f", "prod", "root", "")
    sql = "SELECT action, subject, detail ->> 'who', detail ->> 'reason' FROM audit ORDER BY done_at"
    assert registry.query(sql, [], None).rows == [
        ["alias protected", "red/f@prod", '["ann"]', "audited"],
        ["alias protected", "red/f@prod", '["bob","red:admin"]', "ann left"],
        ["alias unprotected", "red/f@prod", '["bob","red:admin"]', "over"],
    ]
