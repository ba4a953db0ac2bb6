"""`@rayfaas.function`: what turns a Python function into one that can be deployed, and leaves it what it was."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

from rayfaas.declaration import Declaration
from rayfaas.errors import BadRequest
from rayfaas.remote import P, R_co, RemoteFunction

if TYPE_CHECKING:
    from rayfaas.client import Client
    from rayfaas.deploy import Deployed
    from rayfaas.spec import Spec


class Function(RemoteFunction[P, R_co]):
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
        super().__init__(declaration.target)
        functools.update_wrapper(self, fn)
        self._fn, self._declaration = fn, declaration
        if sys.version_info >= (3, 12) and inspect.iscoroutinefunction(fn):
            inspect.markcoroutinefunction(self)

    @property
    def fn(self) -> Callable[P, R_co]:
        """The function that was decorated."""
        return self._fn

    @property
    def declaration(self) -> Declaration:
        """What its decorator says."""
        return self._declaration

    @property
    def name(self) -> str:
        return self._declaration.name

    @property
    def team(self) -> str | None:
        """The team that it is declared for; None is the team of whoever deploys it."""
        return self._declaration.team

    @property
    def spec(self) -> Spec:
        return self._declaration.spec

    @property
    def include(self) -> tuple[str, ...]:
        """Globs of the data files that are deployed with it, relative to its file's directory."""
        return self._declaration.include

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R_co:
        return self._fn(*args, **kwargs)

    def local(self, /, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Run it here, in this process: the same as calling it."""
        return self._fn(*args, **kwargs)

    def deploy(
        self,
        alias: str = "live",
        *,
        team: str | None = None,
        message: str | None = None,
        client: Client | None = None,
    ) -> Deployed:
        """Publish the code as it is on disk now and move `alias` to it; returns when new calls are answered by it.

        Code that was deployed before makes no new version. Raises `ImportFailed`, with your own traceback, where the
        code does not import on the server: then nothing changed there.
        """
        return (client or self._client).deploy(self, alias=alias, team=team, message=message)

    def __reduce__(self) -> str:
        # As for a plain function, a pickle says where to import it from.
        return str(self._fn.__qualname__)


@overload
def function(fn: Callable[P, R_co], /) -> Function[P, R_co]: ...
@overload
def function(
    *,
    name: str | None = None,
    team: str | None = None,
    timeout_s: float | None = None,
    concurrency: int | None = None,
    cpus: float | None = None,
    gpus: float | None = None,
    memory_mb: int | None = None,
    env: Mapping[str, str] | None = None,
    min_replicas: int | None = None,
    max_replicas: int | None = None,
    target_concurrency: float | None = None,
    scale_down_after_s: float | None = None,
    preload: Sequence[str] | None = None,
    retries: int | None = None,
    retry_delay_s: float | None = None,
    retry_on: Sequence[str] | None = None,
    include: Sequence[str] | None = None,
) -> Callable[[Callable[P, R_co]], Function[P, R_co]]: ...
def function(fn: Any = None, /, **options: Any) -> Any:
    """Declare that a function can be deployed: `@rayfaas.function`, or `@rayfaas.function(...)` with options.

    `name` and `team` say where it is deployed (else the function's own name, and the team of whoever deploys it);
    `include` which data files go with it, as globs relative to its file. The other options, their units and defaults
    are those of `rayfaas.spec.Spec`, `Shape` and `Scaling`.

    Raises `BadRequest` where an option is not valid.
    """
    if fn is None:
        return lambda decorated: _declare(decorated, options)
    return _declare(fn, options)


def _declare(fn: Any, options: Mapping[str, Any]) -> Function[Any, Any]:
    if isinstance(fn, Function):
        raise BadRequest(f"{fn.name} is decorated with @rayfaas.function twice.")
    name = getattr(fn, "__name__", None)
    if inspect.isclass(fn) or not callable(fn) or name is None:
        raise BadRequest(
            f"@rayfaas.function decorates functions, and {fn!r} is none. Options go by name: "
            '@rayfaas.function(name="embed").'
        )
    if _is_method(fn.__qualname__):
        raise BadRequest(f"{fn.__qualname__} is a method; @rayfaas.function decorates functions outside of classes.")
    return Function(fn, Declaration.of(name, options))


def _is_method(qualname: str) -> bool:
    outer, _, _ = qualname.rpartition(".")
    return bool(outer) and not outer.endswith("<locals>")
