"""`@rayfaas.cls` leaves a class what it was, and its methods are called where it is deployed."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import rayfaas
from rayfaas.bundle import bundle_function
from rayfaas.errors import BadRequest
from rayfaas.remote import RemoteFunction


@rayfaas.cls(team="nlp", timeout_s=10, swap="replace")
class Model:
    """Multiplies."""

    SIZE = 3

    def __init__(self, factor: int = 2) -> None:
        self.factor = factor
        self.steps: list[str] = []

    @rayfaas.enter
    def load(self) -> None:
        self.steps.append("load")

    @rayfaas.exit
    def close(self) -> None:
        self.steps.append("close")

    def times(self, x: int) -> int:
        return self.factor * x

    def twice(self, x: int) -> int:
        return self.times(self.times(x))

    def items(self, n: int) -> Iterator[int]:
        yield from range(n)


@rayfaas.cls
class Plain:
    @rayfaas.enter
    async def load(self) -> None:
        await asyncio.sleep(0)
        self.loaded = True

    async def is_loaded(self) -> bool:
        return self.loaded


# Type checkers take a decorated class for what it was: mypy does not follow decorators of classes.
MODEL: Any = Model


def test_an_instance_that_is_made_here_has_been_entered_and_runs_here() -> None:
    model = MODEL(factor=3)
    assert model.steps == ["load"]
    assert model.times(2) == model.times.local(2) == 6
    assert model.twice(2) == 18
    assert list(model.items(2)) == [0, 1]
    assert isinstance(model, MODEL)
    assert not isinstance(5, MODEL)


def test_async_enter_methods_run_too_where_they_can() -> None:
    assert asyncio.run(Plain().is_loaded()) is True

    async def inside() -> None:
        Plain()

    with pytest.raises(BadRequest, match="load is async: make the instance where no event loop is running"):
        asyncio.run(inside())


def test_its_methods_are_remote_functions() -> None:
    assert isinstance(MODEL.times, RemoteFunction)
    assert MODEL.times.target == "nlp/Model.times"
    assert MODEL().times.target == "nlp/Model.times"
    assert MODEL.with_options(alias="prod", timeout_s=2).times.target == "nlp/Model.times@prod"
    assert MODEL.with_options(version=3).target == "nlp/Model:3"


def test_what_else_it_has_is_its_own() -> None:
    assert (MODEL.SIZE, MODEL.__name__, MODEL.__doc__) == (3, "Model", "Multiplies.")
    with pytest.raises(AttributeError):
        MODEL.nothing  # noqa: B018 asking for it is the test
    assert (MODEL.name, MODEL.team, MODEL.target, MODEL.spec.swap) == ("Model", "nlp", "nlp/Model", "replace")
    assert repr(MODEL) == "<rayfaas.Cls nlp/Model>"


def test_it_can_be_a_base_of_other_classes() -> None:
    class Larger(MODEL):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(10)

    assert Larger().times(2) == 20
    assert issubclass(Larger, MODEL.wrapped)


def test_a_pickle_says_where_to_import_it_from() -> None:
    assert pickle.loads(pickle.dumps(MODEL)) is MODEL


def test_it_is_bundled_with_its_file() -> None:
    bundle = bundle_function(MODEL)
    assert (bundle.entry.kind, bundle.entry.name) == ("module", "Model")
    assert bundle.path == Path(__file__)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("def __init__(self, path, size=1): ...\n    def f(self): ...", "made without arguments .* asks for path"),
        ("x = 1", "has no method that could be called"),
        ("@rayfaas.enter\n    def load(self): ...", "has no method that could be called"),
        ("def größe(self): ...", "'größe' can't be called by name"),
    ],
)
def test_a_class_that_can_not_be_served_is_refused_where_it_is_written(body: str, told: str) -> None:
    with pytest.raises(BadRequest, match=told):
        exec(f"@rayfaas.cls\nclass A:\n    {body}", {"rayfaas": rayfaas})  # noqa: S102 one for each body


def test_decorators_are_for_what_they_say() -> None:
    def f() -> None: ...

    with pytest.raises(BadRequest, match=r"Functions have @rayfaas.function"):
        rayfaas.cls(f)  # type: ignore[call-overload]
    with pytest.raises(BadRequest, match=r"Classes have @rayfaas.cls"):
        rayfaas.function(MODEL.wrapped)
    options: dict[str, Any] = {"colour": "red"}
    with pytest.raises(BadRequest, match=r"@rayfaas.cls of Model has no option colour"):
        rayfaas.cls(**options)(MODEL.wrapped)


def test_static_methods_and_those_of_the_class_are_called_like_the_others() -> None:
    @rayfaas.cls
    class Model:
        factor = 2

        def double(self, x: int) -> int:
            return self.scaled(x)

        @staticmethod
        def plus(x: int) -> int:
            return x + 1

        @classmethod
        def scaled(cls, x: int) -> int:
            return cls.factor * x

    assert (Model.plus(3), Model.scaled(3), Model().plus(3), Model().scaled(3), Model().double(3)) == (4, 6, 4, 6, 6)
    remote: Any = Model
    assert [remote.plus.target, remote.scaled.target] == ["Model.plus", "Model.scaled"]
    assert remote.plus.local(3) == 4
