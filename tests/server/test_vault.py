"""A secret is sealed wherever it is kept, and opened for the versions that name it."""

from __future__ import annotations

from pathlib import Path

import pytest

from rayfaas.config import Home
from rayfaas.editions import edition_of
from rayfaas.errors import BadRequest, Conflict, NotFound, Unavailable
from rayfaas.registry import Registry
from rayfaas.server.catalog import Catalog
from rayfaas.server.store import Store
from rayfaas.server.vault import Vault
from rayfaas.spec import Shape, Spec
from tests.server.parts import closing_database, serve, version

KEY = bytes(range(32))
VALUE = "correct-horse-battery"
KNOWS = version(spec=Spec(shape=Shape(secrets=("api",))))


@pytest.fixture
def vault(store: Store) -> Vault:
    return Vault(KEY, store, Catalog())


async def test_a_secret_is_opened_for_a_version_that_names_it(vault: Vault) -> None:
    await vault.set("red", "api", {"API_KEY": VALUE}, "ann")
    assert vault.open(KNOWS) == {"API_KEY": VALUE}
    assert vault.open(version()) == {}
    await vault.set("red", "api", {"API_KEY": "other", "MORE": "x"}, "ann")
    assert vault.open(KNOWS) == {"API_KEY": "other", "MORE": "x"}


async def test_another_value_is_another_edition_for_executors_and_gateways_alike(vault: Vault) -> None:
    editions = []
    for _ in range(2):
        await vault.set("red", "api", {"API_KEY": VALUE}, "ann")
        editions.append(vault.order(KNOWS)["edition"])
        assert editions[-1] == edition_of(["red/api"], vault.editions)
    await vault.delete("red", "api", "ann")
    await vault.set("red", "api", {"API_KEY": VALUE}, "ann")
    assert len({*editions, vault.order(KNOWS)["edition"]}) == 3
    assert vault.order(version())["edition"] == ""


async def test_every_change_is_in_the_audit_with_its_reason(vault: Vault, store: Store) -> None:
    await vault.set("red", "api", {"API_KEY": VALUE}, "ann", "leaked")
    await vault.delete("red", "api", "ann", "over")
    sql = "SELECT actor, action, subject, detail ->> 'reason' FROM audit"
    rows = (await store.query(store.registry.query, sql, [], None)).rows
    assert rows == [["ann", "secret set", "red/api", "leaked"], ["ann", "secret deleted", "red/api", "over"]]


async def test_another_teams_secret_is_not_there(vault: Vault) -> None:
    await vault.set("blue", "api", {"API_KEY": VALUE}, "ann")
    with pytest.raises(NotFound, match="rayfaas secrets set api"):
        vault.open(KNOWS)
    with pytest.raises(NotFound, match="Team red has no secret 'api'"):
        vault.check("red", ("api",))


async def test_lists_name_keys_and_never_values(vault: Vault) -> None:
    await vault.set("red", "api", {"API_KEY": VALUE}, "ann")
    await vault.set("blue", "db", {"PASSWORD": VALUE}, "bob")
    (mine,) = vault.listed("red")
    assert (mine["name"], mine["keys"], mine["revision"], mine["set_by"]) == ("api", ["API_KEY"], 1, "ann")
    assert VALUE not in str(vault.listed(None))


async def test_the_registrys_files_hold_no_value(home: Home) -> None:
    store = Store(Registry.open(home.database, home.journal))
    await Vault(KEY, store, Catalog()).set("red", "api", {"API_KEY": VALUE}, "ann")
    assert _holding(home.path) == []
    with closing_database():
        store.close()
    assert _holding(home.path) == []


async def test_another_key_opens_nothing_and_says_so(vault: Vault, store: Store) -> None:
    await vault.set("red", "api", {"API_KEY": VALUE}, "ann")
    other = Vault(bytes(32), store, Catalog())
    await other.read()
    with pytest.raises(Unavailable, match=r"another key than the secrets\.key"):
        other.open(KNOWS)


async def test_a_secret_that_is_needed_is_not_deleted(store: Store) -> None:
    catalog = Catalog()
    vault = Vault(KEY, store, catalog)
    await vault.set("red", "api", {"API_KEY": VALUE}, "ann")
    serve(catalog, KNOWS)
    with pytest.raises(Conflict, match="red/f would not start"):
        await vault.delete("red", "api", "ann")
    serve(catalog, version(number=2))
    await vault.delete("red", "api", "ann")
    assert vault.listed("red") == []
    with pytest.raises(NotFound):
        await vault.delete("red", "api", "ann")


@pytest.mark.parametrize("values", [None, {}, [], {"1A": "x"}, {"A": 1}, {"A": "\0"}, {"A": "x" * 70_000}])
async def test_values_that_are_none_are_refused_without_being_said(vault: Vault, values: dict[str, str]) -> None:
    with pytest.raises(BadRequest):
        await vault.set("red", "api", values, "ann")
    assert vault.listed(None) == []


def _holding(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file() and VALUE.encode() in path.read_bytes()]
