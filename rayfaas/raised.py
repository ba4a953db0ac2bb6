"""A remote exception as its caller can catch it: a FunctionError that is also of the type which the function raised.

Only types of modules that this program has imported itself are looked for: an answer makes nobody import anything, and
whoever wants to catch a type has it imported.
"""

from __future__ import annotations

import builtins
import concurrent.futures
import sys
from pathlib import Path
from typing import Any

from rayfaas.errors import FunctionError, RayfaasError, from_problem

# Types that mean something else where they are raised here: that items are at an end, that a client was closed, or that
# an error is ours.
_NEVER = (StopIteration, StopAsyncIteration, concurrent.futures.CancelledError, RayfaasError)


def error_of(problem: dict[str, Any]) -> RayfaasError:
    """What to raise for a problem document.

    >>> error = error_of({"code": "function_error", "detail": "KeyError: 'x'", "exception": "KeyError"})
    >>> isinstance(error, KeyError), isinstance(error, FunctionError)
    (True, True)
    """
    error = from_problem(problem)
    if type(error) is not FunctionError:
        return error
    kind = _find(error.exception)
    if kind is None:
        return error
    try:
        made: RayfaasError = _both(kind)(error.detail, **error.extra)
        return made
    except Exception:  # noqa: BLE001 a type that can't be combined, or refuses children, by code of its own
        return error


def _find(name: str) -> type[Exception] | None:
    """`package.module.Outer.Name`, or a builtin's bare name."""
    parts = name.split(".")
    if len(parts) == 1:
        return _exception_type(getattr(builtins, name, None))
    for split in range(len(parts) - 1, 0, -1):
        module = _module(".".join(parts[:split]))
        found: Any = module
        for part in parts[split:]:
            found = vars(found).get(part) if found is not None else None  # getattr may run code, or import
        if module is not None:
            return _exception_type(found)
    return None


def _module(name: str) -> Any:
    """A loaded module; the program's own file is `__main__` here, and has its name where it is deployed."""
    main = sys.modules["__main__"]
    is_main = getattr(main, "__file__", None) is not None and Path(str(main.__file__)).stem == name
    return main if is_main and name not in sys.modules else sys.modules.get(name)


def _exception_type(found: Any) -> type[Exception] | None:
    if not isinstance(found, type) or not issubclass(found, Exception):
        return None
    return None if issubclass(found, _NEVER) else found


def _both(kind: type[Exception]) -> Any:
    def reduce(self: FunctionError) -> tuple[Any, ...]:
        return _rebuild, (self.detail, self.extra)

    members = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "__reduce__": reduce}
    return type(kind.__name__, (FunctionError, kind), members)


def _rebuild(detail: str, extra: dict[str, Any]) -> RayfaasError:
    return error_of({"code": FunctionError.code, "detail": detail, **extra})
