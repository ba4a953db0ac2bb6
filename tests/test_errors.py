"""An error arrives as what it was: over HTTP, and in another process."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rayfaas import errors
from rayfaas.errors import (
    BY_CODE,
    AccessError,
    BadRequest,
    CallError,
    DeployError,
    FunctionError,
    ImportFailed,
    NotFound,
    QueueFull,
    RayfaasError,
    from_problem,
    to_problem,
)

OWN = {"type", "title", "status", "detail", "code", "retryable"}


def tree(kind: type[RayfaasError] = RayfaasError) -> Iterator[type[RayfaasError]]:
    yield kind
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from tree(child)


ALL = list(tree())

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
extras = st.dictionaries(st.text(max_size=8).filter(lambda name: name not in OWN), json_values, max_size=4)


@settings(max_examples=60)
@given(kind=st.sampled_from(ALL), detail=st.text(min_size=1), extra=extras)
def test_an_error_survives_http(kind: type[RayfaasError], detail: str, extra: dict[str, Any]) -> None:
    problem = json.loads(json.dumps(to_problem(kind(detail, **extra))))
    arrived = from_problem(problem)
    assert (type(arrived), arrived.detail, arrived.extra) == (kind, detail, extra)
    assert to_problem(arrived) == problem


@settings(max_examples=40)
@given(kind=st.sampled_from(ALL), detail=st.text(min_size=1), extra=extras, protocol=st.integers(0, 5))
def test_an_error_survives_pickling(
    kind: type[RayfaasError], detail: str, extra: dict[str, Any], protocol: int
) -> None:
    arrived = pickle.loads(pickle.dumps(kind(detail, **extra), protocol))
    assert (type(arrived), arrived.detail, arrived.extra) == (kind, detail, extra)
    assert str(arrived) == str(kind(detail, **extra))


def test_an_error_is_copied_with_all_it_says() -> None:
    error = copy.deepcopy(QueueFull("full", retry_after_s=2))
    assert (type(error), error.args, error.extra) == (QueueFull, ("full",), {"retry_after_s": 2})


@pytest.mark.parametrize("kind", ALL)
def test_each_kind_has_a_title_a_status_and_a_problem_of_its_own(kind: type[RayfaasError]) -> None:
    problem = to_problem(kind())
    assert set(problem) == OWN
    assert problem["type"] == f"urn:rayfaas:problem:{problem['code']}"
    assert 400 <= problem["status"] <= 599
    assert problem["detail"] == problem["title"] == str(kind())


def test_no_two_kinds_share_a_code_unless_one_is_the_other() -> None:
    for kind in ALL:
        assert issubclass(kind, BY_CODE[kind.code])
    assert len(BY_CODE) == len({kind.code for kind in ALL})


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    assert errors.__doc__ is not None
    drawn = errors.__doc__.partition("Each class")[0]
    assert not [kind.__name__ for kind in ALL if kind.__name__ not in drawn]


def test_retryable_is_what_did_not_reach_the_function() -> None:
    assert {kind.__name__ for kind in ALL if kind.retryable} == {
        "DeployTimeout",
        "QueueFull",
        "RateLimited",
        "NoCapacity",
        "Unavailable",
    }


def test_kinds_that_users_catch_hold_those_below() -> None:
    for base, codes in {
        BadRequest: {"malformed_body", "invalid_arguments", "body_too_large", "query_error"},
        CallError: {"timeout", "cancelled", "executor_died", "interrupted", "queue_full", "no_capacity"},
        DeployError: {"import_failed", "deploy_timeout"},
        AccessError: {"unauthenticated", "forbidden"},
        FunctionError: {"result_not_serializable"},
    }.items():
        assert all(issubclass(BY_CODE[code], base) for code in codes)
    assert not issubclass(FunctionError, CallError)


def test_a_newer_servers_error_keeps_its_code_and_all_it_says() -> None:
    problem = {"code": "quota_exceeded", "detail": "no more", "status": 402, "retryable": True, "quota": 5}
    for arrived in (from_problem(problem), pickle.loads(pickle.dumps(from_problem(problem)))):
        assert type(arrived) is RayfaasError
        assert (arrived.detail, arrived.extra) == ("no more", {"quota": 5})
        assert (arrived.code, arrived.status, arrived.retryable) == ("quota_exceeded", 402, True)
        assert to_problem(arrived).items() >= problem.items()
    assert (RayfaasError.code, RayfaasError.status) == ("internal", 500)


@pytest.mark.parametrize(
    "problem",
    [
        {},
        {"detail": None},
        {"code": None},
        {"code": ["x"]},
        {"code": 5, "detail": {"a": 1}},
        {"title": 1, "status": "x"},
    ],
)
def test_a_problem_of_somebody_else_is_an_error_all_the_same(problem: dict[str, Any]) -> None:
    assert isinstance(from_problem(problem), RayfaasError)


def test_a_functions_error_tells_its_class_message_and_traceback() -> None:
    error = FunctionError("ValueError: no", exception="app.Wrong", message="no", traceback="Traceback …\n")
    assert (error.exception, error.message) == ("app.Wrong", "no")
    assert str(error) == "ValueError: no\n\nRemote traceback:\nTraceback …\n"
    assert str(FunctionError("ValueError: no")) == "ValueError: no"


def test_an_import_that_failed_shows_the_users_own_traceback() -> None:
    assert str(ImportFailed("lame.py can't be imported", traceback="File x")) == "lame.py can't be imported\n\nFile x"
    assert str(ImportFailed("lame.py does not parse")) == "lame.py does not parse"


def test_an_error_without_words_has_its_title() -> None:
    assert str(NotFound()) == NotFound("").detail == "No such thing"
