"""`@rayfaas.batched` says how calls are batched, and leaves the function what it was."""

from __future__ import annotations

from typing import Any

import pytest

import rayfaas
from rayfaas.batching import Batching, batching_of
from rayfaas.errors import BadRequest


def test_called_here_it_stays_the_function_that_it_is() -> None:
    @rayfaas.function()
    @rayfaas.batched(max_size=2, wait_ms=0)
    def double(numbers: list[int]) -> list[int]:
        return [2 * n for n in numbers]

    assert double([1, 2, 3]) == double.local([1, 2, 3]) == [2, 4, 6]
    assert batching_of(double.fn) == Batching(2, 0)


def test_without_options_it_has_the_defaults() -> None:
    @rayfaas.batched
    def f(items: list[int]) -> list[int]:
        return items

    assert batching_of(f) == Batching(max_size=8, wait_ms=10.0)
    assert batching_of(len) is None


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"max_size": 0}, "max_size of .*f is from 1 to 10,000, not 0"),
        ({"max_size": 10_001}, "max_size"),
        ({"max_size": 2.5}, "max_size"),
        ({"max_size": True}, "max_size"),
        ({"wait_ms": -1}, "wait_ms of .*f is from 0 to 60,000, not -1"),
        ({"wait_ms": float("nan")}, "wait_ms"),
        ({"wait_ms": "10"}, "wait_ms"),
    ],
)
def test_options_that_are_not_valid_are_named(options: dict[str, Any], told: str) -> None:
    def f(items: list[int]) -> list[int]:
        return items

    with pytest.raises(BadRequest, match=told):
        rayfaas.batched(**options)(f)


def test_what_can_not_be_batched_is_refused_where_it_is_written() -> None:
    def generator(items: list[int]) -> Any:
        yield from items

    async def async_generator(items: list[int]) -> Any:
        yield items

    for each in (generator, async_generator):
        with pytest.raises(BadRequest, match="a generator can't"):
            rayfaas.batched(each)
    with pytest.raises(BadRequest, match="put it below the other decorators"):
        rayfaas.batched(rayfaas.function(test_without_options_it_has_the_defaults))
