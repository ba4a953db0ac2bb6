"""A version's content is what runs, in canonical form; what is not valid is refused with its place."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from rayfaas.environment import digest_of
from rayfaas.errors import BadRequest
from rayfaas.spec import Entry, Provenance, Publish, Scaling, Shape, Spec, parse

DIGEST = "ab" * 32


def publish(**changes: Any) -> Publish:
    fields: dict[str, Any] = {"bundle": DIGEST, "entry": Entry(module="m", name="f"), **changes}
    return Publish(**fields)


@pytest.mark.parametrize(
    "changes",
    [
        {"bundle": "cd" * 32},
        {"entry": Entry(module="m", name="g")},
        {"entry": Entry(kind="pickle", module="m", name="f")},
        {"spec": Spec(timeout_s=1)},
        {"spec": Spec(retries=1)},
        {"spec": Spec(result_ttl_s=60)},
        {"spec": Spec(preload=("numpy",))},
        {"spec": Spec(shape=Shape(gpus=1))},
        {"spec": Spec(shape=Shape(env={"A": "1"}))},
    ],
)
def test_what_runs_is_content(changes: dict[str, Any]) -> None:
    assert publish(**changes).content_digest() != publish().content_digest()


@pytest.mark.parametrize(
    "changes",
    [
        {"spec": Spec(scaling=Scaling(min_replicas=3))},
        {"provenance": Provenance(git_commit="c", message="why")},
        {"alias": "staging"},
        {"deadline_s": 5},
        {"syntax_digest": "x"},
    ],
)
def test_scaling_and_what_is_only_recorded_make_no_new_version(changes: dict[str, Any]) -> None:
    assert publish(**changes).content_digest() == publish().content_digest()


def test_a_shapes_digest_is_of_what_it_asks_for() -> None:
    shapes = [Shape(), Shape(cpus=2), Shape(gpus=1), Shape(memory_mb=1), Shape(env={"A": "1"}), Shape(env={"A": "2"})]
    assert len({shape.digest for shape in shapes}) == len(shapes)
    assert all(len(shape.digest) == 12 for shape in shapes)


def test_how_a_shape_is_written_does_not_count() -> None:
    assert Shape(cpus=1).digest == Shape(cpus=1.0, memory_mb=0).digest == Shape.model_validate({"cpus": "1"}).digest
    assert Shape(env={"A": "1", "B": "2"}).digest == Shape(env={"B": "2", "A": "1"}).digest


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=20)
@given(st.dictionaries(st.text(max_size=5), json_values, max_size=5), st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_count(value: dict[str, Any], order: random.Random) -> None:
    keys = list(value)
    order.shuffle(keys)
    assert digest_of({key: value[key] for key in keys}) == digest_of(value)


@pytest.mark.parametrize(
    ("shape", "base"),
    [(Shape(), True), (Shape(cpus=4, env={"A": "1"}), True), (Shape(gpus=0.5), False), (Shape(memory_mb=1), False)],
)
def test_a_warm_replica_may_host_what_asks_for_nothing_that_it_lacks(shape: Shape, base: bool) -> None:
    assert shape.fits_warm is base


@pytest.mark.parametrize(
    "digest", ["", "ab", "AB" * 32, "zz" * 32, DIGEST + "0", DIGEST + "\n", "../" + DIGEST[3:], DIGEST[:-1] + "/"]
)
def test_a_bundle_is_addressed_by_64_hex_digits_and_nothing_else(digest: str) -> None:
    with pytest.raises(BadRequest, match="bundle: "):
        parse(Publish, {"bundle": digest, "entry": {"module": "m", "name": "f"}}, "the deploy")


def test_every_fault_is_told_with_its_place() -> None:
    body = {"bundle": DIGEST, "entry": {"module": 1}, "spec": {"shape": {"gpus": -1}, "nonsense": 1}}
    with pytest.raises(BadRequest, match="the deploy is not valid") as caught:
        parse(Publish, body, "the deploy")
    places = {tuple(fault["loc"]) for fault in caught.value.extra["errors"]}
    assert places == {("entry", "module"), ("entry", "name"), ("spec", "shape", "gpus"), ("spec", "nonsense")}
    assert "spec.shape.gpus: Input should be greater" in caught.value.detail


@pytest.mark.parametrize("python", ["2.7", "3", "python3", "3.12 ", "3.12\n", "/opt/\0"])
def test_a_python_that_is_none_is_refused_with_how_to_write_one(python: str) -> None:
    with pytest.raises(BadRequest, match=r"python: .* is no Python .* from 3\.10 on, such as 3\.12 .* path"):
        parse(Shape, {"python": python}, "the shape")


@pytest.mark.parametrize("python", ["", "3.10", "3.12.4", "/opt/python/bin/python3"])
def test_a_python_is_a_version_or_a_path(python: str) -> None:
    assert parse(Shape, {"python": python}, "the shape").python == python


@pytest.mark.parametrize("value", [None, 1, "text", [], [1], b"x"])
def test_what_is_no_object_is_refused(value: Any) -> None:
    with pytest.raises(BadRequest, match="the spec"):
        parse(Spec, value, "the spec")


def test_a_spec_survives_the_wire() -> None:
    spec = Spec(timeout_s=5, preload=("numpy",), retry_on=("OSError",), shape=Shape(env={"A": "é"}))
    body = publish(spec=spec).model_dump(mode="json")
    assert parse(Publish, body, "the deploy") == publish(spec=spec)
    assert Publish.model_validate_json(publish(spec=spec).model_dump_json()).content_digest() == digest_of(
        [
            DIGEST,
            {"kind": "module", "module": "m", "name": "f"},
            spec.model_dump(mode="json", exclude={"scaling", "access"}, exclude_none=True),
        ]
    )


def test_specs_do_not_change_and_share_nothing() -> None:
    with pytest.raises(ValidationError):
        Spec().timeout_s = 1
    first = Shape()
    first.env["A"] = "1"
    assert Shape().env == {}
