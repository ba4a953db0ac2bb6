"""What a decorator says is checked where it is written: each wrong option is named, and so is its function."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rayfaas.declaration import OPTIONS, Declaration, Options
from rayfaas.errors import BadRequest
from rayfaas.schedule import Period

VALID: dict[str, Any] = {
    "name": "embed",
    "team": "nlp",
    "timeout_s": 5,
    "concurrency": 4,
    "preload": ["numpy"],
    "retries": 3,
    "retry_delay_s": 0.5,
    "retry_on": ["OSError"],
    "swap": "replace",
    "result_ttl_s": 86_400,
    "access": "team",
    "cache": "1h",
    "record_arguments": ["text"],
    "schedule": Period(hours=6),
    "cpus": 0.5,
    "gpus": 1,
    "memory_mb": 512,
    "cluster": "gpu-lab",
    "accelerator": "A10G",
    "resources": {"lidar": 1},
    "env": {"A": "b"},
    "secrets": ["api"],
    "ray": True,
    "packages": ["numpy>=2"],
    "python": "3.12",
    "setup": ["make"],
    "requirements": "requirements.txt",
    "pyproject": ["train"],
    "min_replicas": 1,
    "max_replicas": 2,
    "target_concurrency": 1.5,
    "scale_down_after_s": 60,
    "include": ["labels/*.json"],
}


def test_each_option_arrives_where_it_belongs() -> None:
    declared = Declaration.of("f", VALID)
    assert (declared.name, declared.team, declared.target, declared.include) == (
        "embed",
        "nlp",
        "nlp/embed",
        ("labels/*.json",),
    )
    spec = declared.spec
    assert spec.model_dump(include={"timeout_s", "concurrency", "retries", "retry_delay_s"}) == {
        "timeout_s": 5.0,
        "concurrency": 4,
        "retries": 3,
        "retry_delay_s": 0.5,
    }
    assert (spec.cache, spec.cache_ttl_s, spec.record_arguments) == (3600.0, 3600.0, ("text",))
    assert (spec.preload, spec.retry_on, spec.result_ttl_s) == (("numpy",), ("OSError",), 86_400.0)
    assert spec.shape.model_dump() == {
        "cpus": 0.5,
        "gpus": 1.0,
        "memory_mb": 512,
        "accelerator": "A10G",
        "resources": {"lidar": 1.0},
        "env": {"A": "b"},
        "secrets": ("api",),
        "ray": True,
        "packages": ("numpy>=2",),
        "python": "3.12",
        "setup": ("make",),
        "cluster": "gpu-lab",
    }
    assert (declared.requirements, declared.pyproject) == ("requirements.txt", ("train",))
    assert spec.scaling.model_dump() == {
        "min_replicas": 1,
        "max_replicas": 2,
        "target_concurrency": 1.5,
        "scale_down_after_s": 60.0,
    }


def test_a_cache_is_for_ever_or_for_a_while() -> None:
    caches = [Declaration.of("f", {"cache": value}).spec.cache for value in (True, 60, "90m", False)]
    assert caches == [True, 60.0, 5400.0, None]
    assert [type(cache) for cache in caches[:2]] == [bool, float]
    assert Declaration.of("f", {"cache": True}).spec.cache_ttl_s is None
    with pytest.raises(BadRequest, match="An application says by headers"):
        Declaration.of("f", {"cache": True}, "asgi")


def test_nothing_said_is_the_functions_name_in_the_deployers_team_with_the_defaults() -> None:
    declared = Declaration.of("embed", {})
    assert (declared.name, declared.team, declared.target, declared.include) == ("embed", None, "embed", ())
    assert (declared.spec.timeout_s, declared.spec.concurrency, declared.spec.shape.cpus) == (300.0, 1, 1.0)


def test_none_is_as_good_as_nothing() -> None:
    assert Declaration.of("f", dict.fromkeys(OPTIONS)) == Declaration.of("f", {})


def test_the_table_of_options_is_that_of_the_decorator() -> None:
    assert set(OPTIONS) == {*VALID, "memory"}  # which is memory_mb in other words
    assert set(Options.__annotations__) == set(OPTIONS)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("swap", "at once"),
        ("result_ttl_s", 0),
        ("cache", -1),
        ("record_arguments", "text"),
        ("record_arguments", [1]),
        ("cache", "an hour"),
        ("cache", math.inf),
        ("cache", [1]),
        ("timeout_s", 0),
        ("timeout_s", -1),
        ("timeout_s", 604_801),
        ("timeout_s", math.nan),
        ("timeout_s", math.inf),
        ("timeout_s", "soon"),
        ("concurrency", 0),
        ("concurrency", 1.5),
        ("concurrency", 10_001),
        ("cpus", -0.5),
        ("cpus", 1025),
        ("gpus", 65),
        ("gpus", "A100"),
        ("memory_mb", -1),
        ("memory_mb", "4GB"),
        ("env", ["A"]),
        ("env", {"A": 1}),
        ("env", {1: "a"}),
        ("min_replicas", -1),
        ("max_replicas", 0),
        ("target_concurrency", 0),
        ("scale_down_after_s", -1),
        ("preload", "numpy"),
        ("preload", [1]),
        ("retries", -1),
        ("retries", 101),
        ("retry_delay_s", 0),
        ("retry_on", "OSError"),
        ("retry_on", [OSError]),
        ("include", "labels/*.json"),
        ("include", [1]),
        ("include", {"a"}),
        ("name", 1),
        ("team", ["nlp"]),
    ],
)
def test_a_wrong_value_is_told_with_its_option_and_its_function(option: str, value: Any) -> None:
    with pytest.raises(BadRequest, match=rf"@rayfaas\.function of embed is not valid: .*{option}"):
        Declaration.of("embed", {option: value})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "no spaces"}, "'no spaces' is not a function's name"),
        ({"name": ""}, "'' is not a function's name"),
        ({"name": "a/b"}, "'a/b' is not a function's name"),
        ({"team": "NLP"}, "'NLP' is not a team's name"),
        ({"team": "../x"}, "is not a team's name"),
    ],
)
def test_a_name_that_no_target_could_have_is_refused(options: dict[str, str], message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        Declaration.of("embed", options)


def test_an_unknown_option_is_named_and_those_that_there_are_are_told() -> None:
    with pytest.raises(BadRequest, match=r"of embed has no option timeout\. There are: name, team, timeout_s"):
        Declaration.of("embed", {"timeout": 1, "memory": 2, "cpus": 1})


def test_the_option_that_was_meant_is_told() -> None:
    with pytest.raises(BadRequest, match=r"has no option gpu, timeout\. .* Is gpus and timeout_s meant\?$"):
        Declaration.of("embed", {"timeout": 1, "gpu": 2})


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("packages", "torch", r"packages is a list: packages=\['torch'\]"),
        ("secrets", "openai", r"secrets is a list: secrets=\['openai'\]"),
        ("packages", 5, r"packages is a list of text, for example packages=\['torch>=2\.5'\]"),
        ("retry_on", [OSError], r"retry_on is a list of text, for example retry_on=\['OSError'\]"),
    ],
)
def test_what_is_no_list_of_text_is_told_as_it_should_be_written(option: str, value: Any, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        Declaration.of("embed", {option: value})


def test_wrong_options_of_one_kind_are_named_together() -> None:
    with pytest.raises(BadRequest, match=r"cpus: .*memory_mb: "):
        Declaration.of("embed", {"cpus": -1, "memory_mb": -1})


def test_fewer_replicas_at_most_than_at_least_are_refused() -> None:
    with pytest.raises(BadRequest, match=r"min_replicas \(3\) is over max_replicas \(2\)"):
        Declaration.of("embed", {"min_replicas": 3, "max_replicas": 2})


@settings(max_examples=80)
@given(
    st.dictionaries(
        st.sampled_from([*OPTIONS, "other"]),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=5)
        | st.lists(st.text(max_size=5) | st.integers(), max_size=2)
        | st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
        max_size=4,
    )
)
def test_whatever_the_options_are_they_are_declared_or_refused(options: dict[str, Any]) -> None:
    with contextlib.suppress(BadRequest):
        assert Declaration.of("f", options).target
