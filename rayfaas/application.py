"""`@rayfaas.asgi`: a function that makes an ASGI application, which is served as it is under `/app/{target}/`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from rayfaas.declaration import Options
from rayfaas.errors import BadRequest
from rayfaas.function import Function, declare
from rayfaas.remote import P, R_co

if TYPE_CHECKING:
    from typing_extensions import Unpack

_MARK = "__rayfaas_asgi__"


def asgi(**options: Unpack[Options]) -> Callable[[Callable[P, R_co]], Function[P, R_co]]:
    """Declare a function that returns an ASGI application: Starlette, FastAPI or any other.

    It is made once in each executor, with its lifespan, and serves `concurrency` (100) requests at a time; `timeout_s`
    (3600) is how long a request or a WebSocket may last. The options are those of `rayfaas.function`.

    >>> @rayfaas.asgi()
    ... def web():
    ...     async def application(scope, receive, send): ...
    ...     return application
    >>> web.deploy()  # doctest: +SKIP

    Raises `BadRequest` where an option is not valid, or the function has parameters.
    """
    return lambda fn: _declare(fn, options)


def is_application(fn: Callable[..., Any]) -> bool:
    """Whether the function was decorated with `rayfaas.asgi`; so it is told after it was pickled, too."""
    return getattr(fn, _MARK, False)


def _declare(fn: Callable[P, R_co], options: Mapping[str, Any]) -> Function[P, R_co]:
    declared = declare(fn, options, "asgi")
    required = [each for each in inspect.signature(fn).parameters.values() if each.default is each.empty]
    if any(each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD) for each in required):
        raise BadRequest(f"{declared.name} makes an application from nothing: it may have no parameters.")
    setattr(fn, _MARK, True)
    return declared
