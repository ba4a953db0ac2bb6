"""An operation is written once, and called plainly or awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from rayfaas.config import ClientConfig
from rayfaas.operation import Speaker, operation
from rayfaas.session import Sessions


class Adder(Speaker):
    @operation
    async def add(self, a: int, b: int = 1) -> int:
        """The sum."""
        await asyncio.sleep(0)
        if b < 0:
            raise ValueError("b is negative")
        return a + b


@pytest.fixture
def adder() -> Iterator[Adder]:
    sessions = Sessions(ClientConfig("http://127.0.0.1:9", None))
    yield Adder(sessions)
    sessions.close()


def test_it_is_called_plainly(adder: Adder) -> None:
    assert adder.add(2) == 3
    assert adder.add(2, b=5) == 7


async def test_it_is_awaited(adder: Adder) -> None:
    assert await adder.add.aio(2, b=5) == 7
    assert await asyncio.gather(*(adder.add.aio(n) for n in range(50))) == list(range(1, 51))


async def test_its_errors_are_raised_either_way(adder: Adder) -> None:
    with pytest.raises(ValueError, match="b is negative"):
        adder.add(1, -1)
    with pytest.raises(ValueError, match="b is negative"):
        await adder.add.aio(1, -1)


def test_wrong_arguments_are_told_where_it_is_called(adder: Adder) -> None:
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'a'"):
        adder.add()  # type: ignore[call-arg]


def test_its_help_is_the_methods(adder: Adder) -> None:
    assert adder.add.__doc__ == Adder.add.__doc__ == "The sum."


def test_a_bound_operation_can_be_kept_and_passed_on(adder: Adder) -> None:
    add = adder.add
    assert list(map(add, [1, 2])) == [2, 3]
