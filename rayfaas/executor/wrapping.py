"""Wrapping functions of libraries. A wrapper looks at what it was given, and calls the function: whatever goes wrong in
it, the function is called as the user called it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple


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
    function = getattr(owner, name)

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        call = Call(args, kwargs)
        try:
            call = look(call) or call
        except Exception:  # noqa: BLE001 the user's call is made in any case
            pass
        return function(*call.args, **call.kwargs)

    setattr(owner, name, wrapped)


def after(owner: Any, name: str, look: Callable[[Call], None]) -> None:
    """Have `look` see each call of it that has returned."""
    function = getattr(owner, name)

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        try:
            look(Call(args, kwargs, result))
        except Exception:  # noqa: BLE001 the user's call has returned in any case
            pass
        return result

    is_class_method = isinstance(vars(owner).get(name), classmethod)
    setattr(owner, name, staticmethod(wrapped) if is_class_method else wrapped)
