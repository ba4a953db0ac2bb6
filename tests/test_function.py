"""`@rayfaas.function` leaves a function what it was."""

from __future__ import annotations

import asyncio
import copy
import functools
import inspect
import pickle
import sys
import typing
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

import rayfaas
from rayfaas.errors import BadRequest


@rayfaas.function(team="geo", timeout_s=10, include=["a/*"])
def area(width: float, height: float = 1.0, *, unit: Unit = "m") -> Unit:
    """The area of a rectangle."""
    return f"{width * height} {unit}²"


Unit = str


@rayfaas.function
def kwargs_of(*args: object, **kwargs: object) -> tuple[tuple[object, ...], dict[str, object]]:
    return args, kwargs


def test_calling_it_runs_it_here() -> None:
    assert area(2, 3) == area.local(2, 3) == "6 m²"
    assert area(width=2.0, unit="cm") == "2.0 cm²"


def test_arguments_of_any_name_reach_it() -> None:
    named = {"self": 1, "fn": 2, "args": 3, "kwargs": 4, "function": 5}
    assert kwargs_of(0, **named) == kwargs_of.local(0, **named) == ((0,), named)


def test_what_it_raises_is_raised_as_it_is() -> None:
    with pytest.raises(TypeError, match=r"unsupported operand|can't multiply"):
        area(None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'width'"):
        area()  # type: ignore[call-arg]


def test_signature_names_docstring_and_hints_are_its_own() -> None:
    assert str(inspect.signature(area)) == "(width: 'float', height: 'float' = 1.0, *, unit: 'Unit' = 'm') -> 'Unit'"
    names = functools.WRAPPER_ASSIGNMENTS[:3]
    assert [getattr(area, name) for name in names] == [getattr(area.fn, name) for name in names]
    assert inspect.getdoc(area) == "The area of a rectangle."
    assert typing.get_type_hints(area)["unit"] is str
    assert inspect.getsource(area).startswith("@rayfaas.function(team=")
    assert inspect.unwrap(area) is area.fn


def test_its_own_attributes_are_kept() -> None:
    def tagged() -> None: ...

    tagged.tag = "x"  # type: ignore[attr-defined]
    assert rayfaas.function(tagged).tag == "x"  # type: ignore[attr-defined]


def test_what_was_declared_is_told() -> None:
    assert (area.name, area.team, area.target, area.include) == ("area", "geo", "geo/area", ("a/*",))
    assert area.spec.timeout_s == 10.0
    assert repr(area) == "<rayfaas.Function geo/area>"


def test_a_coroutine_function_is_awaited() -> None:
    @rayfaas.function
    async def double(x: int) -> int:
        await asyncio.sleep(0)
        return 2 * x

    assert asyncio.run(double(3)) == 6


def test_a_generator_is_iterated_and_an_asynchronous_one_too() -> None:
    @rayfaas.function
    def count(n: int) -> Iterator[int]:
        yield from range(n)

    @rayfaas.function
    async def acount(n: int) -> AsyncIterator[int]:
        for i in range(n):
            yield i

    async def collect() -> list[int]:
        return [i async for i in acount(3)]

    assert list(count(3)) == asyncio.run(collect()) == [0, 1, 2]


def test_a_coroutine_function_is_known_as_one_where_python_can_be_told() -> None:
    @rayfaas.function
    async def f() -> None: ...

    assert inspect.iscoroutinefunction(f) or sys.version_info < (3, 12)
    assert not inspect.iscoroutinefunction(area)


def test_it_is_pickled_by_its_name_as_a_function_is() -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(area, protocol)) is area
    assert copy.copy(area) is copy.deepcopy(area) is area


def test_unpickling_imports_its_module_where_that_is_not_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pickled_geo.py").write_text("import rayfaas\n@rayfaas.function\ndef f(x):\n    return x + 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    data = pickle.dumps([__import__("pickled_geo").f])
    del sys.modules["pickled_geo"]
    assert pickle.loads(data)[0](1) == 2
    del sys.modules["pickled_geo"]


def test_the_tools_of_functools_take_it() -> None:
    assert functools.partial(area, 2)(3) == "6 m²"
    assert functools.lru_cache(area)(1, 2) == "2 m²"

    @functools.wraps(area)
    def wrapper(*args: Any) -> str:
        return area(*args)

    assert wrapper.__doc__ == "The area of a rectangle."
    assert list(inspect.signature(wrapper).parameters) == ["width", "height", "unit"]
    assert list(map(area, [1, 2])) == ["1.0 m²", "2.0 m²"]


def test_it_is_hashable_and_equal_to_itself_only() -> None:
    assert {area: 1}[area] == 1
    assert len({area, kwargs_of, area}) == 2


def test_a_decorator_below_is_kept() -> None:
    @rayfaas.function(name="cached")
    @functools.lru_cache
    def slow(x: int) -> object:
        return object()

    assert slow(1) is slow(1)
    assert slow.name == "cached"


def test_a_decorated_function_calls_itself() -> None:
    @rayfaas.function
    def factorial(n: int) -> int:
        return n * factorial(n - 1) if n else 1

    assert factorial(5) == 120


def test_called_in_another_way_it_is_addressed_in_another_way() -> None:
    assert area.with_options(alias="prod").target == "geo/area@prod"
    assert area.with_options(version=3).target == "geo/area:3"
    assert area.target == "geo/area"


class Method:
    @staticmethod
    def static() -> None: ...

    def method(self) -> None: ...


class Instance:
    def __call__(self) -> None: ...


@pytest.mark.parametrize(
    ("decorated", "message"),
    [
        (Method, "decorates functions"),
        (Method.method, "Method.method is a method"),
        (Method.static, "is a method"),
        (Instance(), "decorates functions"),
        (functools.partial(print), "decorates functions"),
        ("embed", r"'embed' is none\. Options go by name"),
        (3, "Options go by name"),
        (area, "area is decorated with @rayfaas.function twice"),
        (lambda: 1, "'<lambda>' is not a function's name"),
    ],
)
def test_what_is_no_function_is_refused(decorated: Any, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        rayfaas.function(decorated)
    with pytest.raises(BadRequest, match=message):
        rayfaas.function()(decorated)


def test_a_lambda_with_a_name_can_be_deployed() -> None:
    assert rayfaas.function(name="one")(lambda: 1)() == 1


def test_a_wrong_option_is_refused_where_it_is_written() -> None:
    with pytest.raises(BadRequest, match=r"of f has no option timeout\. There are: name, team"):

        @rayfaas.function(timeout=3)  # type: ignore[call-overload,untyped-decorator]
        def f() -> None: ...
