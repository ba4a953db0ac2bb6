"""Members: what a token has is no more than they have, and there is always an admin."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import duckdb
import pytest

from rayfaas.errors import Conflict, NotFound
from rayfaas.registry import schema
from rayfaas.registry.database import Database
from rayfaas.registry.members import Members
from rayfaas.registry.registry import Registry
from rayfaas.roles import Scope


def roles(registry: Registry) -> list[tuple[str, str, str]]:
    return [(row.team, row.principal, row.role) for row in registry.members.all()]


def audit(registry: Registry) -> list[list[Any]]:
    sql = "SELECT actor, action, subject, detail ->> 'principal', detail ->> 'role', detail ->> 'reason' FROM audit"
    return registry.query(f"{sql} ORDER BY done_at", [], None).rows


def test_a_member_is_let_in_changed_and_taken_out_with_rows_of_each(registry: Registry) -> None:
    registry.members.put("red", "ann", "viewer", "root", "new")
    first = registry.members.all()[0].since
    registry.members.put("red", "ann", "deployer", "root", "")
    registry.members.put("red", "ann", "deployer", "root", "again, which changes nothing")
    assert [(row.role, row.since) for row in registry.members.all()] == [("deployer", first)]
    registry.members.remove("red", "ann", "root", "left")
    assert roles(registry) == []
    with pytest.raises(NotFound):
        registry.members.remove("red", "ann", "root", "")
    assert audit(registry) == [
        ["root", "member set", "red", "ann", "viewer", "new"],
        ["root", "member set", "red", "ann", "deployer", ""],
        ["root", "member removed", "red", "ann", "deployer", "left"],
    ]


def test_there_is_always_an_admin(registry: Registry) -> None:
    registry.members.put("red", "ann", "admin", "root", "")
    with pytest.raises(Conflict, match="only admin"):
        registry.members.remove("red", "ann", "root", "")
    with pytest.raises(Conflict, match="only admin"):
        registry.members.put("red", "ann", "viewer", "root", "")
    registry.members.put("ops", "bob", "admin", "root", "")
    registry.members.remove("red", "ann", "root", "")
    assert roles(registry) == [("ops", "bob", "admin")]


def test_a_token_lets_its_principal_in_and_has_no_more_than_that_has(registry: Registry) -> None:
    registry.members.put("red", "ann", "viewer", "root", "")
    registry.access.create_token("ann", "red", "viewer", "root", None, Scope({"red": "viewer", "blue": "deployer"}))
    assert roles(registry) == [("red", "ann", "viewer"), ("blue", "ann", "deployer")]
    with pytest.raises(Conflict, match="rayfaas team add red ann --role admin"):
        registry.access.create_token("ann", "red", "admin", "root", None)
    assert len(registry.access.tokens()) == 1


def test_a_rotated_token_ends_after_the_overlap_and_the_new_one_is_for_the_same(registry: Registry) -> None:
    now = datetime.now(timezone.utc)
    scope = Scope({"red": "viewer"}, ("red/f",))
    old_id, old = registry.access.create_token("ci", "red", "viewer", "root", now + timedelta(days=1), scope, "lab")
    new_id, new = registry.access.rotate_token("lab", "ann", None, now + timedelta(hours=1))
    before, after = registry.access.tokens()
    assert (before.id, after.id, old != new) == (old_id, new_id, True)
    assert before.expires_at == now + timedelta(hours=1)
    assert (after.scope, after.name, after.created_by) == (scope, "lab", "ann")
    assert after.expires_at is not None
    assert abs((after.expires_at - now).total_seconds() - 86_400) < 60
    assert registry.access.token("lab").id == new_id


def test_an_overlap_makes_no_token_last_longer(registry: Registry) -> None:
    now = datetime.now(timezone.utc)
    registry.access.create_token("ci", "red", "viewer", "root", now + timedelta(minutes=5), name="lab")
    registry.access.rotate_token("lab", "root", None, now + timedelta(hours=1))
    assert registry.access.tokens()[0].expires_at == now + timedelta(minutes=5)


def test_a_name_is_one_tokens_and_revoking_it_revokes_what_was_rotated_too(registry: Registry) -> None:
    registry.access.create_token("ci", "red", "viewer", "root", None, name="lab")
    with pytest.raises(Conflict, match="already"):
        registry.access.create_token("ci", "red", "viewer", "root", None, name="lab")
    registry.access.rotate_token("lab", "root", None, datetime.now(timezone.utc) + timedelta(hours=1))
    registry.access.revoke_token("lab", "root")
    assert registry.access.tokens() == []
    with pytest.raises(NotFound):
        registry.access.rotate_token("lab", "root", None, datetime.now(timezone.utc))


def test_tokens_of_an_older_file_make_members_once(tmp_path: Path) -> None:
    connection = duckdb.connect(str(tmp_path / "registry.duckdb"))
    schema.migrate(connection, 5)
    old = "INSERT INTO store.tokens SELECT $id, $id, 'ann', $team, $role, 5, 'root', NULL, $revoked"
    for n, (team, role, revoked) in enumerate(
        [("red", "viewer", None), ("red", "admin", None), ("blue", "viewer", None), ("green", "admin", 6)]
    ):
        connection.execute(old, {"id": str(n), "team": team, "role": role, "revoked": revoked})
    connection.close()
    database = Database(tmp_path / "registry.duckdb")
    members = Members(database)
    assert {(row.team, row.role) for row in members.all()} == {("red", "admin"), ("blue", "viewer")}
    members.remove("blue", "ann", "root", "")
    database.close()
    database = Database(tmp_path / "registry.duckdb")
    assert [row.team for row in Members(database).all()] == ["red"]
    database.close()
