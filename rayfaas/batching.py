"""`@rayfaas.batched`: callers send one item each, and the function gets a list of those that came together."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, overload

from rayfaas.errors import BadRequest

F = TypeVar("F", bound=Callable[..., Any])

_MARK = "__rayfaas_batching__"
_MOST_SIZE = 10_000
_MOST_WAIT_MS = 60_000.0


@dataclass(frozen=True)
class Batching:
    """At most so many calls in one batch, and how long, in milliseconds, the first of them may wait for others."""

    max_size: int = 8
    wait_ms: float = 10.0


@overload
def batched(fn: F, /) -> F: ...
@overload
def batched(*, max_size: int = 8, wait_ms: float = 10.0) -> Callable[[F], F]: ...
def batched(fn: Any = None, /, *, max_size: int = 8, wait_ms: float = 10.0) -> Any:
    """Have a function, or a method, that takes a list answer single calls, up to `max_size` of them at once.

    Callers send one item, the function is called with the list of those that came within `wait_ms`, and returns a list
    of the same length: each caller gets its own. Called here, it stays the function that it is. Raises `BadRequest` for
    a generator, for what is decorated already, and for sizes and times that are out of range.

    >>> @batched(max_size=32, wait_ms=5)
    ... def lengths(texts: list[str]) -> list[int]:
    ...     return [len(text) for text in texts]
    >>> lengths(["a", "bc"])
    [1, 2]
    """
    batching = Batching(max_size, wait_ms)
    return _mark(fn, batching) if fn is not None else lambda decorated: _mark(decorated, batching)


def batching_of(fn: Callable[..., Any]) -> Batching | None:
    """How its calls are batched; None where they are not."""
    return getattr(fn, _MARK, None)


def _mark(fn: Any, batching: Batching) -> Any:
    if not inspect.isfunction(fn):
        raise BadRequest(f"@rayfaas.batched decorates a function itself: put it below the other decorators of {fn!r}.")
    if inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn):
        raise BadRequest(f"{fn.__qualname__} is batched and returns a list of results; a generator can't.")
    if not _is_whole(batching.max_size) or not 1 <= batching.max_size <= _MOST_SIZE:
        raise BadRequest(f"max_size of {fn.__qualname__} is from 1 to {_MOST_SIZE:,}, not {batching.max_size!r}.")
    if not isinstance(batching.wait_ms, int | float) or not 0 <= batching.wait_ms <= _MOST_WAIT_MS:
        raise BadRequest(f"wait_ms of {fn.__qualname__} is from 0 to {_MOST_WAIT_MS:,.0f}, not {batching.wait_ms!r}.")
    setattr(fn, _MARK, batching)
    return fn


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
