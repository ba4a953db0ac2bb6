"""Arguments reach a function as its hints say or not at all, and its interface is told as JSON schema."""

from __future__ import annotations

import dataclasses
import enum
import functools
import json
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rayfaas.errors import InvalidArguments
from rayfaas.executor.signature import Signature, describe, kind_of
from rayfaas.wire import Arguments

if TYPE_CHECKING:
    from nowhere import Unknown  # type: ignore[import-not-found]

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=5), v, max_size=3),
    max_leaves=8,
)


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: float
    y: float = 0.0


class Flower(pydantic.BaseModel):
    name: str
    petals: Annotated[int, pydantic.Field(ge=0)] = 0


def bound(function: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return Signature(function).bind(Arguments(args, kwargs))


def value_of(hint: Any, value: Any) -> Any:
    """What a parameter with this hint becomes."""

    def function(x: Any) -> None: ...

    function.__annotations__ = {"x": hint}
    (result,), _ = bound(function, value)
    return result


def faults_of(function: Callable[..., Any], *args: Any, **kwargs: Any) -> list[dict[str, Any]]:
    with pytest.raises(InvalidArguments) as caught:
        bound(function, *args, **kwargs)
    faults: list[dict[str, Any]] = caught.value.extra["errors"]
    return faults


@pytest.mark.parametrize(
    ("hint", "sent", "got"),
    [
        (int, "2", 2),
        (float, 1, 1.0),
        (Colour, "red", Colour.RED),
        (Point, {"x": 1}, Point(1.0)),
        (Flower, {"name": "iris"}, Flower(name="iris")),
        (date, "2026-01-02", date(2026, 1, 2)),
        (tuple[int, str], [1, "a"], (1, "a")),
        (set[int], [1, 1, 2], {1, 2}),
        (dict[int, str], {"1": "a"}, {1: "a"}),
        (list[Point], [{"x": 1}], [Point(1.0)]),
        (int | None, None, None),
        (Literal["a", "b"], "b", "b"),
        (bytes, "café", "café".encode()),
        (Any, {"as": ["it", "is"]}, {"as": ["it", "is"]}),
        (object, [1], [1]),
    ],
)
def test_a_value_becomes_what_the_hint_says(hint: Any, sent: Any, got: Any) -> None:
    assert value_of(hint, sent) == got


@pytest.mark.parametrize(
    ("hint", "sent"),
    [
        (int, "two"),
        (int, 1.5),
        (int, None),
        (str, 5),
        (bool, "maybe"),
        (list[int], {"a": 1}),
        (list[int], "12"),
        (Colour, "blue"),
        (Point, {"y": 1}),
        (Flower, {"name": "iris", "petals": -1}),
        (Literal["a"], "b"),
        (date, "yesterday"),
    ],
)
def test_a_value_that_is_not_what_the_hint_says_is_refused(hint: Any, sent: Any) -> None:
    with pytest.raises(InvalidArguments, match="do not fit"):
        value_of(hint, sent)


def test_each_fault_is_told_with_its_place() -> None:
    def function(flower: Flower, points: list[Point], *rest: int, **more: int) -> None: ...

    faults = faults_of(function, {"petals": -1}, [{"x": 1}, {"x": "no"}], 1, "two", three="drei")
    assert [fault["loc"] for fault in faults] == [
        ["flower", "name"],
        ["flower", "petals"],
        ["points", 1, "x"],
        ["rest", 1],
        ["more", "three"],
    ]
    assert all(fault["msg"] and fault["type"] for fault in faults)
    assert json.loads(json.dumps(faults)) == faults


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((), {}, "missing a required argument: 'x'"),
        ((), {"y": 1, "X": 2, "z": 3}, "missing a required argument: 'x'; there is no argument 'X', 'z'"),
        ((1, 2, 3), {}, "too many positional arguments"),
        ((1,), {"x": 2}, "multiple values for argument 'x'"),
        ((1,), {"z": 2}, "unexpected keyword argument 'z'"),
        ((1,), {"self": 2}, "unexpected keyword argument 'self'"),
    ],
)
def test_arguments_that_the_signature_does_not_take_are_refused(args: Any, kwargs: Any, message: str) -> None:
    def function(x: int, y: int = 0) -> None: ...

    (fault,) = faults_of(function, *args, **kwargs)
    assert message in fault["msg"]
    assert fault["type"] == "signature"


def test_a_refusal_shows_the_signature_that_was_meant() -> None:
    def function(x: int, *, y: float = 1.5) -> str:
        raise NotImplementedError

    with pytest.raises(InvalidArguments, match=r"\(x: 'int', \*, y: 'float' = 1.5\)"):
        bound(function)


def test_defaults_are_the_functions_own_business() -> None:
    def function(x: int, y: int = "not an int") -> None: ...  # type: ignore[assignment]

    assert bound(function, 1) == ((1,), {})


def test_positional_only_keyword_only_and_the_rest_land_where_they_belong() -> None:
    def function(a: int, /, b: int, *c: int, d: int, **e: int) -> None: ...

    assert bound(function, "1", "2", "3", "4", d="5", f="6") == ((1, 2, 3, 4), {"d": 5, "f": 6})
    assert bound(function, 1, b=2, d=3, a=4) == ((1, 2), {"d": 3, "a": 4})


def test_a_function_without_parameters_takes_nothing() -> None:
    def function() -> None: ...

    assert bound(function) == ((), {})
    assert faults_of(function, 1)[0]["msg"] == "too many positional arguments"
    assert "unexpected keyword argument" in faults_of(function, x=1)[0]["msg"]


def test_hints_that_nobody_can_check_let_everything_pass() -> None:
    class Custom: ...

    def unknown(x: Unknown, y: int) -> Unknown: ...

    def arrays(x: np.ndarray[Any, Any], y: int) -> np.ndarray[Any, Any]:
        raise NotImplementedError

    def bare(x, y):  # type: ignore[no-untyped-def]
        ...

    def wrong(x: 5, y: any) -> 7: ...  # type: ignore[valid-type]

    for function in (unknown, arrays, bare, wrong):
        assert bound(function, [1], 2) == (([1], 2), {})
        assert json.dumps(describe(function, Signature(function)))
    assert value_of(Custom, {"x": 1}) == {"x": 1}


def test_validation_changes_no_value_of_the_caller() -> None:
    sent = {"x": "1", "y": "2"}
    value_of(Point, sent)
    assert sent == {"x": "1", "y": "2"}


@settings(max_examples=40)
@given(st.lists(values, max_size=3), st.dictionaries(st.text(max_size=5) | st.just("x"), values, max_size=3))
def test_any_arguments_are_bound_or_refused(args: list[Any], kwargs: dict[str, Any]) -> None:
    def function(x: int, y: list[Point] | None = None, **more: str) -> None: ...

    try:
        (first, *_), named = bound(function, *args, **kwargs)
    except InvalidArguments:
        return
    assert type(first) is int
    assert all(isinstance(value, str) for name, value in named.items() if name not in ("x", "y"))


@settings(max_examples=40)
@given(values)
def test_a_function_without_hints_gets_what_was_sent(value: Any) -> None:
    def function(x, *, y): ...  # type: ignore[no-untyped-def]

    assert bound(function, value, y=value) == ((value,), {"y": value})


# The interface


def test_kinds() -> None:
    def sync() -> None: ...

    async def coroutine() -> None: ...

    def generator() -> Iterator[int]:
        yield 1

    async def async_generator() -> AsyncIterator[int]:
        yield 1

    functions = (sync, coroutine, generator, async_generator, functools.partial(coroutine), functools.partial(sync))
    assert [kind_of(f) for f in functions] == ["sync", "async", "generator", "async_generator", "async", "sync"]


def test_an_interface_is_what_a_caller_needs_to_know() -> None:
    def function(flower: Flower, count: int = 3, *, loud: bool = False) -> list[Point]:
        """Count the petals.

        Twice.
        """
        return []

    told = describe(function, Signature(function))
    assert told["kind"] == "sync"
    assert told["doc"] == "Count the petals.\n\nTwice."
    assert "count: 'int' = 3" in str(told["signature"])
    arguments: Any = told["arguments"]
    assert arguments["required"] == ["flower"]
    assert arguments["additionalProperties"] is False
    assert arguments["properties"]["count"] == {"type": "integer", "default": 3}
    assert arguments["properties"]["loud"] == {"type": "boolean", "default": False}
    assert arguments["properties"]["flower"]["properties"]["petals"]["minimum"] == 0
    result: Any = told["result"]
    assert result["type"] == "array"


def test_any_names_are_allowed_only_where_the_function_takes_any() -> None:
    def closed(x: int) -> None: ...

    def opened(x: int, *args: int, **more: int) -> None: ...

    assert Signature(closed).arguments_schema()["additionalProperties"] is False
    schema = Signature(opened).arguments_schema()
    assert schema["additionalProperties"] is True
    assert list(schema["properties"]) == ["x"]


def test_a_default_that_is_no_plain_value_is_not_shown_and_makes_the_parameter_optional() -> None:
    def function(x: list[int] = [], y: Point = Point(1.0), z: str | None = None) -> None: ...  # noqa: B006, B008

    schema = Signature(function).arguments_schema()
    assert "required" not in schema
    assert "default" not in schema["properties"]["x"]
    assert schema["properties"]["z"]["default"] is None


def test_the_result_of_a_stream_is_one_item_of_it() -> None:
    def items() -> Iterator[int]:
        yield 1

    async def async_items() -> AsyncIterator[int]:
        yield 1

    def untyped():  # type: ignore[no-untyped-def]
        yield 1

    assert Signature(items).result_schema() == Signature(async_items).result_schema() == {"type": "integer"}
    assert Signature(untyped).result_schema() == {}


def test_a_type_that_has_no_schema_is_described_as_anything() -> None:
    def function(x: Callable[[int], int], y: complex = 1j) -> np.ndarray[Any, Any]:
        raise NotImplementedError

    schema = Signature(function).arguments_schema()
    assert schema["properties"]["x"] == {}
    assert Signature(function).result_schema() == {}


def test_a_wrapped_function_keeps_its_signature() -> None:
    def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return wrapper

    @wrap
    def function(x: int) -> int:
        raise NotImplementedError

    assert bound(function, "5") == ((5,), {})
    assert Signature(function).arguments_schema()["required"] == ["x"]


def test_what_is_no_plain_function_may_be_one_all_the_same() -> None:
    class Scale:
        def __init__(self, by: int) -> None:
            self.by = by

        def __call__(self, x: int) -> int:
            return self.by * x

        def method(self, x: int) -> int:
            return x

    def add(x: int, y: int) -> int:
        raise NotImplementedError

    for function in (Scale(2), Scale(2).method, functools.partial(add, 1)):
        schema = Signature(function).arguments_schema()
        assert len(schema["required"]) == 1
