"""How `map` makes its calls."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MapOptions:
    """`concurrency` bounds the calls that are under way and the results that wait to be taken, together."""

    concurrency: int = 32
    ordered: bool = True
    return_exceptions: bool = False
