"""Secrets are kept as digests only, and what is revoked, expired or used lets nobody in."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from rayfaas.errors import NotFound, Unauthenticated
from rayfaas.registry.access import Access
from rayfaas.registry.database import Database
from rayfaas.registry.registry import Registry

UNKNOWN = "018f0000-0000-7000-8000-000000000000"


def let_join_tokens_expire(database: Database) -> None:
    database.run("UPDATE store.join_tokens SET expires_us = expires_us - 601 * 1000000")


def test_a_tokens_secret_is_nowhere_in_the_file_only_its_digest_is(tmp_path: Path) -> None:
    database = Database(tmp_path / "registry.duckdb")
    _, secret = Access(database).create_token("ann", "red", "viewer", "root", None)
    database.close()
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert secret.encode() not in kept
    assert hashlib.sha256(secret.encode()).hexdigest().encode() in kept


def test_a_token_is_listed_with_the_digest_of_its_secret_and_who_made_it(database: Database) -> None:
    access = Access(database)
    token_id, secret = access.create_token("ann", "red", "viewer", "root", None)
    (row,) = access.tokens()
    assert (row.id, row.digest) == (token_id, hashlib.sha256(secret.encode()).hexdigest())
    assert (row.principal, row.team, row.role, row.created_by) == ("ann", "red", "viewer", "root")
    assert row.expires_at is None


def test_no_two_tokens_have_the_same_secret(database: Database) -> None:
    access = Access(database)
    made = [access.create_token("ann", "red", "viewer", "root", None) for _ in range(20)]
    assert len({secret for _, secret in made}) == len({token_id for token_id, _ in made}) == 20


def test_the_expiry_is_an_instant_whatever_zone_it_was_told_in(database: Database) -> None:
    access = Access(database)
    expiry = datetime(2031, 5, 6, 7, 8, 9, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    access.create_token("ann", "red", "viewer", "root", expiry)
    (row,) = access.tokens()
    assert row.expires_at == expiry
    assert row.expires_at.utcoffset() == timedelta(0)


def test_a_revoked_token_is_no_longer_listed_not_even_after_a_restart(tmp_path: Path) -> None:
    database = Database(tmp_path / "registry.duckdb")
    access = Access(database)
    gone, _ = access.create_token("ann", "red", "admin", "root", None)
    stays, _ = access.create_token("bob", "red", "admin", "root", None)
    access.revoke_token(gone, "root")
    database.close()
    again = Database(tmp_path / "registry.duckdb")
    assert [row.id for row in Access(again).tokens()] == [stays]
    again.close()


def test_a_token_is_revoked_once_and_an_unknown_one_never(database: Database) -> None:
    access = Access(database)
    token_id, _ = access.create_token("ann", "red", "admin", "root", None)
    access.revoke_token(token_id, "root")
    for refused in (token_id, UNKNOWN, "' OR 1=1 --", "\0"):
        with pytest.raises(NotFound):
            access.revoke_token(refused, "root")


@pytest.mark.parametrize(
    "name", ["o'brien", 'a"b', "x'); DROP TABLE store.tokens; --", "a\0b", "héé\n😀", "n" * 100_000]
)
def test_a_hostile_principal_is_kept_as_it_is(database: Database, name: str) -> None:
    access = Access(database)
    access.create_token(name, "red", "viewer", name, None)
    (row,) = access.tokens()
    assert (row.principal, row.created_by) == (name, name)


def test_every_change_of_a_token_is_in_the_audit_with_its_reason(database: Database) -> None:
    access = Access(database)
    access.create_token("ci", "red", "viewer", "root", None, name="lab", reason="builds")
    access.rotate_token("lab", "root", None, datetime.now(timezone.utc), "each quarter")
    access.revoke_token("lab", "root", "leaked")
    rows = database.run("SELECT DISTINCT action, detail ->> 'reason' AS reason FROM store.audit ORDER BY action")
    assert [(row["action"], row["reason"]) for row in rows if row["action"].startswith("token")] == [
        ("token created", "builds"), ("token revoked", "leaked"), ("token rotated", "each quarter"),
    ]  # fmt: skip


def test_a_join_token_is_spent_by_its_first_use(database: Database) -> None:
    access = Access(database)
    join_id, secret = access.create_join_token("lab", "root")
    assert access.join_key(join_id) == secret
    cluster, session_key = access.use_join_token(join_id)
    assert (cluster, access.sessions()) == ("lab", {"lab": session_key})
    assert access.join_key(join_id) is None
    with pytest.raises(Unauthenticated):
        access.use_join_token(join_id)
    assert access.sessions() == {"lab": session_key}


def test_an_expired_join_token_proves_nothing_and_opens_nothing(database: Database) -> None:
    access = Access(database)
    join_id, _ = access.create_join_token("lab", "root")
    let_join_tokens_expire(database)
    assert access.join_key(join_id) is None
    with pytest.raises(Unauthenticated):
        access.use_join_token(join_id)
    assert access.sessions() == {}


@pytest.mark.parametrize("join_id", ["", UNKNOWN, "' OR 1=1 --", "\0", "None"])
def test_an_unknown_join_token_has_no_key(database: Database, join_id: str) -> None:
    access = Access(database)
    access.create_join_token("lab", "root")
    assert access.join_key(join_id) is None
    with pytest.raises(Unauthenticated):
        access.use_join_token(join_id)


def test_a_cluster_that_joins_again_has_a_new_key_and_its_old_one_is_void(database: Database) -> None:
    access = Access(database)
    first = access.use_join_token(access.create_join_token("lab", "root")[0])[1]
    second = access.use_join_token(access.create_join_token("lab", "root")[0])[1]
    assert first != second
    assert access.sessions() == {"lab": second}


def test_clusters_have_keys_of_their_own(database: Database) -> None:
    access = Access(database)
    for cluster in ("lab", "attic"):
        access.use_join_token(access.create_join_token(cluster, "root")[0])
    assert set(access.sessions()) == {"attic", "lab"}
    assert len(set(access.sessions().values())) == 2


def test_a_session_key_outlives_a_restart(tmp_path: Path) -> None:
    database = Database(tmp_path / "registry.duckdb")
    access = Access(database)
    _, session_key = access.use_join_token(access.create_join_token("lab", "root")[0])
    database.close()
    again = Database(tmp_path / "registry.duckdb")
    assert Access(again).sessions() == {"lab": session_key}
    again.close()


def test_who_let_whom_in_is_in_the_audit_and_no_secret_is(registry: Registry) -> None:
    token_id, secret = registry.access.create_token("ann", "red", "viewer", "root", None)
    registry.access.revoke_token(token_id, "root")
    registry.access.use_join_token(registry.access.create_join_token("lab", "root")[0])
    with pytest.raises(NotFound):
        registry.access.revoke_token(token_id, "mallory")
    rows = registry.query("SELECT actor, action, subject FROM audit ORDER BY done_at", [], team=None).rows
    assert [row[:2] for row in rows] == [
        ["root", "member set"],
        ["root", "token created"],
        ["root", "token revoked"],
        ["root", "join token created"],
        ["join", "cluster joined"],
    ]
    assert secret not in str(rows)
