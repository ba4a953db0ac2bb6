"""Which methods of a class are called, and which run when its executor begins and ends."""

from __future__ import annotations

import rayfaas
from rayfaas.methods import enter_methods, exit_methods, public_methods


class Base:
    kind = "base"

    @rayfaas.enter
    def open(self) -> None: ...

    @rayfaas.exit
    def close(self) -> None: ...

    def predict(self, x: int) -> int:
        return x

    def gone(self) -> None: ...


class Model(Base):
    gone = None  # type: ignore[assignment]

    @rayfaas.enter
    def load(self) -> None: ...

    @rayfaas.exit
    def save(self) -> None: ...

    async def stream(self) -> None: ...

    @staticmethod
    def helper() -> None: ...

    @classmethod
    def make(cls) -> None: ...

    @rayfaas.enter
    @staticmethod
    def warm() -> None: ...

    @classmethod
    @rayfaas.exit
    def tidy(cls) -> None: ...

    @property
    def size(self) -> int:
        return 1

    def _own(self) -> None: ...


def test_public_methods_are_called_inherited_ones_too() -> None:
    assert public_methods(Model) == ["predict", "stream", "helper", "make"]


def test_what_begins_runs_in_order_and_what_ends_in_reverse() -> None:
    assert enter_methods(Model) == ["open", "load", "warm"]
    assert exit_methods(Model) == ["tidy", "save", "close"]
