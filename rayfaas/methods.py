"""The methods of a deployed class: those that are called, and those that run when an executor begins or ends."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

_MARK = "__rayfaas_runs__"


def enter(method: F) -> F:
    """Have a method run once, after construction and before the first call: the place to load a model.

    What it raises is the answer to the deploy, and then nothing changed for callers.

    >>> class Model:
    ...     @enter
    ...     def load(self) -> None:
    ...         self.factor = 2
    """
    setattr(method, _MARK, "enter")
    return method


def exit(method: F) -> F:
    """Have a method run when its executor ends in order, after its last call; 10 seconds at most.

    An executor that crashes or is killed ends without it.
    """
    setattr(method, _MARK, "exit")
    return method


def public_methods(decorated: type) -> list[str]:
    """The methods that may be called: those without an underscore in front, inherited ones too, static ones and those
    of the class.

    >>> class Model:
    ...     def predict(self, x: int) -> int: ...
    ...     def _load(self) -> None: ...
    >>> public_methods(Model)
    ['predict']
    """
    methods = _methods(decorated)
    return [name for name, method in methods.items() if not name.startswith("_") and _runs(method) is None]


def is_bound_to_instances(decorated: type, name: str) -> bool:
    """Whether a method of it needs an instance: a static one, or one of the class, does not."""
    return inspect.isfunction(_methods(decorated)[name])


def enter_methods(decorated: type) -> list[str]:
    """In the order of their definition, those of base classes first."""
    return [name for name, method in _methods(decorated).items() if _runs(method) == "enter"]


def exit_methods(decorated: type) -> list[str]:
    """In the order in which they are to run: the reverse of their definition."""
    names = [name for name, method in _methods(decorated).items() if _runs(method) == "exit"]
    return names[::-1]


def _runs(method: Any) -> str | None:
    """When, if it is no method that is called. Decorators stand in any order."""
    return getattr(method, _MARK, None) or getattr(getattr(method, "__func__", None), _MARK, None)


def _methods(decorated: type) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for base in reversed(decorated.__mro__):
        found.update(vars(base))
    return {
        name: value
        for name, value in found.items()
        if inspect.isfunction(value) or isinstance(value, staticmethod | classmethod)
    }
