"""Wrapping functions of libraries. A wrapper looks at what it was given, and calls the function: whatever goes wrong in
it, the function is called as the user called it."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from rayfaas.executor.complaint import complain

T = TypeVar("T")
# The audit event of a call that could not be followed, with the function's name.
UNFOLLOWED = "rayfaas.unfollowed"


class Call(NamedTuple):
    """A call of a function of a library; `result` when it has returned."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    result: Any = None

    def get(self, place: int, name: str, default: Any = None) -> Any:
        return self.args[place] if len(self.args) > place else self.kwargs.get(name, default)

    def with_argument(self, place: int, name: str, value: Any) -> Call:
        """The same with another value of one argument."""
        if len(self.args) > place:
            return Call((*self.args[:place], value, *self.args[place + 1 :]), self.kwargs)
        return Call(self.args, {**self.kwargs, name: value})


def before(owner: Any, name: str, look: Callable[[Call], Call | None]) -> None:
    """Have `look` see each call of it, and change its arguments where it answers."""
    function, see = getattr(owner, name), _safe(look, name)

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        call = Call(args, kwargs)
        call = see(call) or call
        return function(*call.args, **call.kwargs)

    setattr(owner, name, wrapped)


def after(owner: Any, name: str, look: Callable[[Call], None]) -> None:
    """Have `look` see each call of it that has returned."""
    function, see = getattr(owner, name), _safe(look, name)

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        see(Call(args, kwargs, result))
        return result

    is_class_method = isinstance(vars(owner).get(name), classmethod)
    setattr(owner, name, staticmethod(wrapped) if is_class_method else wrapped)


def after_async(owner: Any, name: str, look: Callable[[Call], None]) -> None:
    """The same of a coroutine function."""
    function, see = getattr(owner, name), _safe(look, name)

    @functools.wraps(function)
    async def wrapped(*args: Any, **kwargs: Any) -> Any:
        result = await function(*args, **kwargs)
        see(Call(args, kwargs, result))
        return result

    setattr(owner, name, wrapped)


def _safe(look: Callable[[Call], T], name: str) -> Callable[[Call], T | None]:
    """`look`, which may raise: it is told once, and the user's calls go on."""
    is_told = False

    def see(call: Call) -> T | None:
        nonlocal is_told
        try:
            return look(call)
        except Exception as error:  # noqa: BLE001 another release of the library may have it otherwise
            if not is_told:
                complain(f"a call of {name} could not be followed: {type(error).__name__}: {error}")
            is_told = True
            sys.audit(UNFOLLOWED, name)
            return None

    return see
