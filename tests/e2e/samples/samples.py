"""Functions of all kinds, for whoever calls them by what /openapi.json says of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal
from uuid import UUID, uuid5

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, Field

import rayfaas


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Pet(BaseModel):
    name: str
    colour: Colour = Colour.RED
    friends: list[Pet] = []


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: Annotated[int, Field(ge=0, le=9)] = 9


class Dog(BaseModel):
    kind: Literal["dog"]
    tricks: set[str] = set()


@dataclass
class Box:
    width: Annotated[float, Field(ge=0, le=1e6)]
    height: Annotated[float, Field(ge=0, le=1e6)] = 1.0


def area(box: Box, scale: Annotated[int, Field(ge=1, le=1000)] = 1) -> float:
    """The area of a box.

    In the square of the unit of its sides.
    """
    return box.width * box.height * scale


def echo(value: Any = None) -> Any:
    """What it is given."""
    return value


def oldest(pets: list[Pet], by: dict[str, int]) -> Pet | None:
    """The pet with the highest number in `by`."""
    return max(pets, key=lambda pet: by.get(pet.name, 0), default=None)


def feed(animal: Annotated[Cat | Dog, Field(discriminator="kind")]) -> str:
    return animal.kind


def day_after(day: date, days: Annotated[int, Field(ge=0, le=1000)] = 1) -> date:
    return min(day, date(9000, 1, 1)) + timedelta(days)


def total(amounts: list[Annotated[Decimal, Field(ge=0, le=1000, decimal_places=2)]]) -> Decimal:
    return sum(amounts, Decimal(0))


def name_of(id: UUID, text: str) -> UUID:
    return uuid5(id, text)


def anything(*args, **named):  # type: ignore[no-untyped-def]
    return [len(args), sorted(named)]


def nothing() -> None:
    """Takes and returns nothing."""


def refuse(why: str) -> int:
    """Raises."""
    raise ValueError(why)


def count(to: Annotated[int, Field(ge=0, le=50)]) -> Iterator[int]:
    """Numbers from 0."""
    yield from range(to)


async def later(text: str) -> AsyncIterator[Pet]:
    """A pet for each letter of the first ten."""
    for letter in text[:10]:
        yield Pet(name=letter)


async def swapped(pair: tuple[int, str]) -> dict[str, int]:
    return {pair[1]: pair[0]}


def caption(photo: rayfaas.File, title: str = "") -> str:
    """A file in a form, or alone."""
    return f"{title or photo.filename}: {len(photo)} bytes"


def reversed_bytes(clip: bytes) -> bytes:
    """The same, from its end."""
    return clip[::-1]


def flipped(image: Image.Image) -> Image.Image:
    """Upside down."""
    return image.transpose(Image.Transpose.FLIP_TOP_BOTTOM)


def scaled(values: NDArray[np.float64], by: float = 2.0) -> NDArray[np.float64]:
    """Each of them, times `by`."""
    return values * by


@rayfaas.cls
class Counter:
    """Counts what it is given."""

    def __init__(self) -> None:
        self.total = 0

    def add(self, numbers: list[Annotated[int, Field(ge=0, le=9)]]) -> int:
        """The total, and what was there before."""
        self.total += sum(numbers)
        return self.total

    @rayfaas.batched(max_size=8, wait_ms=1)
    def doubled(self, n: list[Annotated[int, Field(ge=0, le=9)]]) -> list[int]:
        return [2 * each for each in n]


ALL = (
    "area", "echo", "oldest", "feed", "day_after", "total", "name_of", "anything", "nothing", "refuse", "count",
    "later", "swapped", "caption", "reversed_bytes", "flipped", "scaled", "Counter",
)  # fmt: skip
