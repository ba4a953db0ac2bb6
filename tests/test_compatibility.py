"""What breaks the callers of a function, by the interfaces that executors describe."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import pytest
from pydantic import BaseModel

import rayfaas
from rayfaas.compatibility import breaks
from rayfaas.executor.program import Program
from rayfaas.executor.signature import Signature, describe


def interface(function: Any) -> Any:
    return describe(function, Signature(function))


class Old(BaseModel):
    x: int


class New(BaseModel):
    x: int
    y: str = ""


class Sentinel:
    def __repr__(self) -> str:
        return "<not python>"


def plain(x: int, y: float = 1.0) -> int:
    raise NotImplementedError


def renamed(x: int, z: float = 1.0) -> int:
    raise NotImplementedError


def shorter(x: int) -> int:
    raise NotImplementedError


def longer(x: int, y: float = 1.0, z: str = "") -> int:
    raise NotImplementedError


def inserted(x: int, z: str = "", y: float = 1.0) -> int:
    raise NotImplementedError


def swapped(y: float = 1.0, x: int = 0) -> int:
    raise NotImplementedError


def asking(x: int, y: float = 1.0, *, z: str) -> int:
    raise NotImplementedError


def insisting(x: int, y: float) -> int:
    raise NotImplementedError


def looser(x: float | None = None, y: float | str = 1.0) -> int:
    raise NotImplementedError


def narrower(x: int, y: int = 1) -> int:
    raise NotImplementedError


def hinted(x: Literal[1, 2], y: float = 1.0) -> int:
    raise NotImplementedError


def bare(x, y=1.0):  # type: ignore[no-untyped-def]
    raise NotImplementedError


def telling_more(x: int, y: float = 1.0) -> Literal[1, 2]:
    raise NotImplementedError


def telling_less(x: int, y: float = 1.0):  # type: ignore[no-untyped-def]
    raise NotImplementedError


def returning_text(x: int, y: float = 1.0) -> str:
    raise NotImplementedError


def anything(x: int, **others: Any) -> int:
    raise NotImplementedError


async def in_asyncio(x: int, y: float = 1.0) -> int:
    raise NotImplementedError


def many(x: int, *more: int) -> int:
    raise NotImplementedError


def by_name(x: int, *, y: float = 1.0) -> int:
    raise NotImplementedError


def by_name_more(x: int, z: int = 0, *, y: float = 1.0) -> int:
    raise NotImplementedError


def odd_default(x: int = 1, y: Any = Sentinel()) -> int:  # noqa: B008
    raise NotImplementedError


def of_old(row: Old) -> list[Old]:
    raise NotImplementedError


def of_new(row: New) -> list[New]:
    raise NotImplementedError


def stream(x: int, y: float = 1.0) -> Iterator[int]:
    yield 1


@rayfaas.asgi()
def site(x: int = 1) -> Any:
    raise NotImplementedError


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (plain, plain, []),
        (plain, in_asyncio, []),
        (plain, longer, []),
        (plain, looser, []),
        (plain, telling_more, []),
        (plain, renamed, [("argument_removed", "y")]),
        (plain, shorter, [("argument_removed", "y")]),
        (plain, inserted, [("argument_moved", "y")]),
        (plain, swapped, [("argument_moved", "x")]),
        (plain, asking, [("argument_required", "z")]),
        (plain, insisting, [("argument_required", "y")]),
        (plain, narrower, [("argument_narrowed", "y")]),
        (plain, hinted, [("argument_narrowed", "x")]),
        (plain, returning_text, [("result_changed", None)]),
        (plain, telling_less, [("result_changed", None)]),
        (telling_more, plain, [("result_changed", None)]),
        (plain, bare, [("result_changed", None)]),
        (bare, plain, [("argument_narrowed", "x"), ("argument_narrowed", "y")]),
        (plain, stream, [("kind_changed", None)]),
        (plain, anything, []),
        (anything, shorter, [("argument_removed", None)]),
        (many, shorter, [("argument_removed", None)]),
        (shorter, many, []),
        (by_name, by_name_more, []),
        (plain, by_name, [("argument_moved", "y")]),
        (odd_default, odd_default, []),
        (of_old, of_new, []),
        (of_new, of_old, [("result_changed", None)]),
        (site.wrapped, site.wrapped, []),
        (plain, site.wrapped, [("kind_changed", None)]),
    ],
)
def test_what_breaks_callers_of_a_function(before: Any, after: Any, expected: list[tuple[str, str | None]]) -> None:
    found = breaks(interface(before), interface(after))
    assert [(each.what, each.argument) for each in found] == expected
    assert all(each.detail and each.method is None for each in found)


class First:
    def score(self, text: str) -> float:
        raise NotImplementedError

    def words(self) -> list[str]:
        raise NotImplementedError


class Second:
    def score(self, text: str, limit: int) -> float:
        raise NotImplementedError

    def more(self) -> int:
        raise NotImplementedError


def of_class(found: type) -> Any:
    program = Program.of(found)
    program.loop.close()
    return program.interface("")


def test_a_class_is_compared_by_its_methods() -> None:
    first, second = of_class(First), of_class(Second)
    assert breaks(first, first) == []
    assert {(each.what, each.method, each.argument) for each in breaks(first, second)} == {
        ("argument_required", "score", "limit"),
        ("method_removed", "words", None),
    }
    assert [each.what for each in breaks(first, interface(plain))] == ["kind_changed"]
    assert [each.what for each in breaks(interface(plain), first)] == ["kind_changed"]


def test_interfaces_that_say_little_break_little() -> None:
    assert breaks({}, {}) == []
    assert breaks({"kind": "sync"}, interface(shorter)) == []
    assert breaks({"kind": "class", "methods": {}}, {"kind": "class"}) == []


def test_a_break_says_what_was_and_what_is() -> None:
    (found,) = breaks(interface(plain), interface(returning_text))
    assert found.detail == "the result was integer and is string"
    (found,) = breaks(interface(plain), interface(narrower))
    assert found.detail == "y takes integer, and took number"
