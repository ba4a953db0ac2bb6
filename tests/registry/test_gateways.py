"""A gateway joins with a token that works once, and is in for as long as it is not removed."""

from __future__ import annotations

import pytest

from rayfaas.errors import Unauthenticated
from rayfaas.registry.database import Database
from rayfaas.registry.gateways import Gateways


def test_a_token_is_spent_for_a_key_of_its_gateway(database: Database) -> None:
    gateways = Gateways(database)
    token_id, secret = gateways.create_token("edge", "root")
    assert gateways.token_key(token_id) == secret
    name, key = gateways.use_token(token_id)
    assert (name, gateways.keys()) == ("edge", {"edge": key})
    assert gateways.token_key(token_id) is None
    with pytest.raises(Unauthenticated, match="used already"):
        gateways.use_token(token_id)


def test_a_token_that_has_expired_is_good_for_nothing(database: Database) -> None:
    gateways = Gateways(database)
    token_id, _ = gateways.create_token("edge", "root")
    database.run("UPDATE store.gateway_tokens SET expires_us = expires_us - 601 * 1000000")
    assert gateways.token_key(token_id) is None
    with pytest.raises(Unauthenticated, match="expired"):
        gateways.use_token(token_id)


def test_who_joins_again_has_another_key_and_who_is_removed_none(database: Database) -> None:
    gateways = Gateways(database)
    keys = [gateways.use_token(gateways.create_token("edge", "root")[0])[1] for _ in range(2)]
    assert gateways.keys() == {"edge": keys[1]}
    assert keys[0] != keys[1]
    unused, _ = gateways.create_token("edge", "root")
    gateways.remove("edge", "root")
    assert (gateways.keys(), gateways.token_key(unused)) == ({}, None)


def test_where_executors_dial_it_is_kept(database: Database) -> None:
    gateways = Gateways(database)
    gateways.use_token(gateways.create_token("edge", "root")[0])
    assert gateways.addresses() == {"edge": ""}
    gateways.set_address("edge", "tls:192.0.2.7:8702:ab")
    assert gateways.addresses() == {"edge": "tls:192.0.2.7:8702:ab"}


def test_who_let_whom_in_is_audited(database: Database) -> None:
    gateways = Gateways(database)
    gateways.use_token(gateways.create_token("edge", "ann")[0])
    gateways.remove("edge", "bob")
    rows = database.run("SELECT actor, action, subject FROM store.audit ORDER BY at_us")
    assert [tuple(row.values()) for row in rows] == [
        ("ann", "gateway token created", "edge"),
        ("join", "gateway joined", "edge"),
        ("bob", "gateway removed", "edge"),
    ]
