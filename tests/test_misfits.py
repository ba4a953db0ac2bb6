"""What a schedule would call in vain is told when it is set."""

from __future__ import annotations

from typing import Any

import pytest

from rayfaas.errors import InvalidArguments
from rayfaas.executor.signature import Signature, describe
from rayfaas.misfits import check_arguments


def train(folder: str, epochs: int = 3) -> None: ...


def log(text: str, *more: str, **fields: int) -> None: ...


def beat() -> None: ...


def two(a: int, b: int) -> None: ...


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (train, {"folder": "a"}),
        (train, {"folder": "a", "epochs": 1}),
        (train, "a"),
        (log, {"text": "a", "anything": 1}),
        (beat, {}),
    ],
)
def test_what_a_function_takes_is_fine(function: Any, arguments: Any) -> None:
    interface = describe(function, Signature(function))
    check_arguments(interface, None, arguments)
    check_arguments({"methods": {"run": interface}}, "run", arguments)


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (
            train,
            {"fold": "a"},
            r"do not fit \(folder: .*\) -> 'None': a value for 'folder' is missing, there is no 'fold'\.",
        ),
        (train, {}, "a value for 'folder' is missing"),
        (two, 1, "a value for 'b' is missing"),
        (beat, {"x": 1}, "there is no 'x'"),
        (log, {"more": "a"}, "a value for 'text' is missing"),
    ],
)
def test_what_it_does_not_take_is_named(function: Any, arguments: Any, message: str) -> None:
    interface = describe(function, Signature(function))
    with pytest.raises(InvalidArguments, match=message):
        check_arguments(interface, None, arguments)
    with pytest.raises(InvalidArguments, match=message):
        check_arguments({"methods": {"run": interface}}, "run", arguments)


def test_of_a_function_that_nobody_has_described_nothing_is_said() -> None:
    described: list[dict[str, Any] | None] = [None, {}, {"kind": "function"}, {"methods": {}}]
    for interface in described:
        check_arguments(interface, "run" if interface and "methods" in interface else None, {"x": 1})
