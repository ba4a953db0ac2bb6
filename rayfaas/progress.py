"""A progress bar over inputs as they are taken, in a terminal and in a notebook."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from rich.console import Console
from rich.progress import track

T = TypeVar("T")


def shown(inputs: Iterable[T], length: int | None, what: str) -> Iterable[T]:
    """The same inputs; on stderr a bar, or a count where their number is not known."""
    return track(inputs, description=what, total=length, console=Console(stderr=True), transient=True)
