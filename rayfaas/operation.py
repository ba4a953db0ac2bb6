"""Operations of a client: written once, as async methods, and called either way."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from rayfaas.session import Sessions
from rayfaas.transport import Transport

P = ParamSpec("P")
R = TypeVar("R")
Self = TypeVar("Self", bound="Speaker")


class Speaker:
    """Base of what has operations: they run on the session of the process that calls them."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    @property
    def _transport(self) -> Transport:
        return self._sessions.current().transport


class operation(Generic[P, R]):  # noqa: N801 it is read as a decorator
    """Makes of an async method one that is called plainly, `client.status()`, and awaited as `client.status.aio()`."""

    def __init__(self, method: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]]) -> None:
        self._method = method
        functools.update_wrapper(self, method)  # type: ignore[arg-type]

    @overload
    def __get__(self, speaker: None, owner: type) -> operation[P, R]: ...
    @overload
    def __get__(self, speaker: Speaker, owner: type) -> BoundOperation[P, R]: ...
    def __get__(self, speaker: Speaker | None, owner: type) -> operation[P, R] | BoundOperation[P, R]:
        return self if speaker is None else BoundOperation(speaker, self._method)


class BoundOperation(Generic[P, R]):
    def __init__(self, speaker: Speaker, method: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]]) -> None:
        self._speaker, self._method = speaker, method

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self._speaker._sessions.current().run(self._method(self._speaker, *args, **kwargs))

    async def aio(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The same, awaited."""
        return await self._speaker._sessions.current().run_async(self._method(self._speaker, *args, **kwargs))

    @property
    def __doc__(self) -> str | None:  # type: ignore[override]
        return self._method.__doc__
