"""`@rayfaas.function`: what turns a Python function into one that can be deployed, and leaves it what it was."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, overload

from rayfaas.declaration import Declaration, Options
from rayfaas.declared import Declared
from rayfaas.errors import BadRequest
from rayfaas.remote import P, R_co, RemoteFunction

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Function(RemoteFunction[P, R_co], Declared):
    """A function of this program that can be deployed. Calling it runs it here, unchanged.

    >>> @rayfaas.function(timeout_s=10)
    ... def area(width: float, height: float) -> float:
    ...     return width * height
    >>> area(2.0, 3.0)
    6.0
    >>> area.deploy().version  # doctest: +SKIP
    1
    >>> area.remote(2.0, 3.0)  # doctest: +SKIP
    6.0
    """

    def __init__(self, fn: Callable[P, R_co], declaration: Declaration) -> None:
        RemoteFunction.__init__(self, declaration.target)
        Declared.__init__(self, fn, declaration)
        if sys.version_info >= (3, 12) and inspect.iscoroutinefunction(fn):
            inspect.markcoroutinefunction(self)

    @property
    def fn(self) -> Callable[P, R_co]:
        """The function that was decorated."""
        return self._wrapped  # type: ignore[no-any-return]

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R_co:
        return self.fn(*args, **kwargs)

    def local(self, /, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Run it here, in this process: the same as calling it."""
        return self.fn(*args, **kwargs)


@overload
def function(fn: Callable[P, R_co], /) -> Function[P, R_co]: ...
@overload
def function(**options: Unpack[Options]) -> Callable[[Callable[P, R_co]], Function[P, R_co]]: ...
def function(fn: Any = None, /, **options: Any) -> Any:
    """Declare that a function can be deployed: `@rayfaas.function`, or `@rayfaas.function(...)` with options.

    `name` and `team` say where it is deployed (else the function's own name, and the team of whoever deploys it);
    `include` which data files go with it, as globs relative to its file. `memory` may be said with its unit, "4GB".
    Packages are named in `packages`, in a file of `requirements`, or are those of the project with the extras of
    `pyproject`. The other options, their units and defaults are those of `rayfaas.spec.Spec`, `Shape` and `Scaling`.

    >>> @function(timeout_s=10, gpus=1, packages=["torch==2.5.1"])
    ... def embed(text: str) -> list[float]: ...

    Raises `BadRequest` where an option is not valid.
    """
    if fn is None:
        return lambda decorated: declare(decorated, options)
    return declare(fn, options)


def declare(fn: Any, options: Mapping[str, Any], decorator: str = "function") -> Function[Any, Any]:
    """The function with what its decorator's options say. Raises `BadRequest`."""
    if isinstance(fn, Function):
        raise BadRequest(f"{fn.name} is decorated with @rayfaas.function twice.")
    name = getattr(fn, "__name__", None)
    if inspect.isclass(fn) or not callable(fn) or name is None:
        raise BadRequest(
            f"@rayfaas.function decorates functions, and {fn!r} is none. Options go by name: "
            '@rayfaas.function(name="embed"). Classes have @rayfaas.cls.'
        )
    if _is_method(fn.__qualname__):
        raise BadRequest(
            f"{fn.__qualname__} is a method; @rayfaas.function decorates functions. Deploy its class: @rayfaas.cls."
        )
    return Function(fn, Declaration.of(name, options, decorator))


def _is_method(qualname: str) -> bool:
    outer, _, _ = qualname.rpartition(".")
    return bool(outer) and not outer.endswith("<locals>")
