"""What a function raised is caught by its own type, and an answer can make nobody import or run anything."""

from __future__ import annotations

import builtins
import json
import pickle
import sys
from collections.abc import Callable
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rayfaas.errors import FunctionError, NotFound, ResultNotSerializable
from rayfaas.raised import error_of

COMBINED = sorted(
    name
    for name, kind in vars(builtins).items()
    if isinstance(kind, type) and issubclass(kind, Exception) and not issubclass(kind, StopIteration)
    if name not in ("StopAsyncIteration", "ExceptionGroup")
)


def raised(name: str, detail: str = "it failed") -> Exception:
    return error_of({"code": "function_error", "detail": detail, "exception": name, "message": "m", "traceback": "T"})


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    made = ModuleType("raised_shop")
    monkeypatch.setitem(sys.modules, "raised_shop", made)
    return made


@pytest.mark.parametrize("name", COMBINED)
def test_a_builtin_exception_is_caught_by_its_type_and_as_a_function_error(name: str) -> None:
    error = raised(name)
    assert isinstance(error, getattr(builtins, name))
    assert isinstance(error, FunctionError)
    assert (error.exception, error.message, error.traceback) == (name, "m", "T")
    assert str(error) == "it failed\n\nRemote traceback:\nT"


def test_an_exception_of_a_loaded_module_is_caught_by_its_type(module: ModuleType) -> None:
    class Shop:
        class Closed(LookupError): ...

    vars(module)["Shop"] = Shop
    with pytest.raises(Shop.Closed):
        raise raised("raised_shop.Shop.Closed")
    with pytest.raises(json.JSONDecodeError):
        raise raised("json.decoder.JSONDecodeError")


def test_an_exception_of_the_programs_own_file_is_caught_by_its_type(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Closed(Exception): ...

    vars(module).update(Closed=Closed, __file__="/home/me/raised_script.py")
    monkeypatch.setitem(sys.modules, "__main__", module)
    with pytest.raises(Closed):
        raise raised("raised_script.Closed")


@pytest.mark.parametrize("name", ["StopIteration", "StopAsyncIteration"])
def test_what_would_end_a_loop_in_silence_is_only_a_function_error(name: str) -> None:
    assert type(raised(name)) is FunctionError


@pytest.mark.parametrize("name", ["SystemExit", "KeyboardInterrupt", "GeneratorExit", "asyncio.CancelledError"])
def test_what_would_end_the_program_is_only_a_function_error(name: str) -> None:
    assert type(raised(name)) is FunctionError


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a..b", "len", "int", "os.system", "sys.modules", "json", "no_such.Error", "x" * 10_000]
)
def test_a_name_that_leads_to_no_exception_is_only_a_function_error(name: str) -> None:
    assert type(raised(name)) is FunctionError


@settings(max_examples=80)
@given(st.text(max_size=30) | st.lists(st.sampled_from(["os", "json", "path", "KeyError", ""])).map(".".join))
def test_whatever_the_name_it_is_a_function_error_with_all_it_says(name: str) -> None:
    error = raised(name)
    assert isinstance(error, FunctionError)
    assert error.extra == {"exception": name, "message": "m", "traceback": "T"}


def test_no_module_is_imported_for_an_answer() -> None:
    assert "this" not in sys.modules
    assert type(raised("this.Error")) is FunctionError
    assert "this" not in sys.modules


def needs_arguments(module: ModuleType) -> None:
    class Refused(Exception):
        def __new__(cls, a: int, b: int) -> Refused:
            return super().__new__(cls)

    vars(module)["Refused"] = Refused


def has_a_metaclass(module: ModuleType) -> None:
    class Meta(type): ...

    class Refused(Exception, metaclass=Meta): ...

    vars(module)["Refused"] = Refused


def has_an_init_of_its_own(module: ModuleType) -> None:
    class Refused(Exception):
        def __init__(self, number: int) -> None:
            raise AssertionError("the user's code was run")

    vars(module)["Refused"] = Refused


@pytest.mark.parametrize("define", [needs_arguments, has_a_metaclass, has_an_init_of_its_own])
def test_a_type_that_is_hard_to_make_hides_nothing(module: ModuleType, define: Callable[[ModuleType], None]) -> None:
    define(module)
    error = raised("raised_shop.Refused")
    assert isinstance(error, FunctionError)
    assert error.traceback == "T"


def test_it_survives_pickling_as_what_it_is() -> None:
    arrived = pickle.loads(pickle.dumps(raised("KeyError")))
    assert isinstance(arrived, KeyError)
    assert isinstance(arrived, FunctionError)
    assert arrived.extra == {"exception": "KeyError", "message": "m", "traceback": "T"}


def test_other_problems_are_the_errors_that_they_are() -> None:
    assert type(error_of({"code": "not_found", "detail": "x", "exception": "KeyError"})) is NotFound
    assert type(error_of({"code": "result_not_serializable", "exception": "KeyError"})) is ResultNotSerializable
