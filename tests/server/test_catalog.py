"""The catalog in memory: which versions can be called, which of them an alias leads to, and what peers are told."""

from __future__ import annotations

import pytest

from rayfaas.errors import NotFound
from rayfaas.server.catalog import Catalog
from rayfaas.spec import Scaling, Shape, Spec
from tests.server.parts import GPU, serve, version


def test_a_version_is_found_by_its_key_and_an_unknown_one_is_none() -> None:
    catalog = Catalog()
    serve(catalog, version(number=1), version(number=12))
    assert catalog.version("red/f:12") == version(number=12)
    for unknown in ("red/f:2", "red/g:1", "blue/f:1", "red/f:0", ":1"):
        assert catalog.version(unknown) is None


def test_a_version_is_served_while_an_alias_leads_to_it() -> None:
    catalog = Catalog()
    first, second, third = (version(number=n) for n in (1, 2, 3))
    serve(catalog, first, second, third, live=second, prod=first)
    assert [catalog.is_served(each.key) for each in (first, second, third)] == [True, True, False]
    assert [each.number for each in catalog.function("red/f").served()] == [1, 2]
    assert not catalog.is_served("red/g:1")


def test_a_version_that_two_aliases_lead_to_is_served_once() -> None:
    catalog = Catalog()
    serve(catalog, version(), live=version(), prod=version())
    assert catalog.function("red/f").served() == [version()]


def test_an_unknown_function_is_not_found_until_it_is_made() -> None:
    catalog = Catalog()
    with pytest.raises(NotFound, match="red/f"):
        catalog.existing("red/f")
    made = catalog.function("red/f")
    assert (made.team, made.name, made.versions) == ("red", "f", {})
    assert catalog.existing("red/f") is catalog.function("red/f") is made
    assert list(catalog) == [made]


def test_versions_of_one_shape_share_an_application_and_others_do_not() -> None:
    base = version(number=1).application
    assert base == version(number=2, spec=Spec(timeout_s=5, scaling=Scaling(min_replicas=3))).application
    others = [
        version(spec=GPU), version(spec=Spec(shape=Shape(cpus=2))), version(spec=Spec(shape=Shape(memory_mb=1))),
        version(spec=Spec(shape=Shape(env={"A": "b"}))), version("red/g"), version("blue/f"),
    ]  # fmt: skip
    assert len({base, *(each.application for each in others)}) == 7


def test_a_route_holds_what_a_gateway_resolves_with() -> None:
    catalog = Catalog()
    serve(catalog, version(spec=Spec(timeout_s=7, retries=2, retry_on=("ValueError",))))
    route = catalog.function("red/f").route()
    assert (route["team"], route["name"], route["aliases"]) == ("red", "f", {"live": {"version": 1, "revision": 1}})
    (told,) = route["versions"]
    assert (told["number"], told["timeout_s"], told["retries"], told["retry_on"]) == (1, 7, 2, ["ValueError"])


def test_an_order_holds_what_a_supervisor_runs_it_with() -> None:
    spec = Spec(concurrency=3, preload=("numpy",), shape=Shape(env={"A": "b"}, memory_mb=512))
    order = version(number=4, spec=spec).order()
    expected = {
        "function": "red/f", "version": 4, "bundle": "b" * 64, "entry_kind": "module", "entry_module": "m",
        "entry_name": "f", "concurrency": 3, "env": {"A": "b"}, "preload": ["numpy"],
    }  # fmt: skip
    assert {name: order[name] for name in expected} == expected
