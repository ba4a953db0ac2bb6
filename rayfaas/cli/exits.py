"""Exit codes that scripts can rely on."""

from __future__ import annotations

from rayfaas.errors import AccessError, FunctionError, NotFound, RayfaasError, Unavailable

FAILED = 1
NOT_FOUND = 3
NOT_ALLOWED = 4
UNAVAILABLE = 5
FUNCTION_RAISED = 6
INTERRUPTED = 130  # as shells have it: 128, and the number of SIGINT

_BY_KIND: tuple[tuple[type[RayfaasError], int], ...] = (
    (FunctionError, FUNCTION_RAISED),
    (NotFound, NOT_FOUND),
    (AccessError, NOT_ALLOWED),
    (Unavailable, UNAVAILABLE),
)


def exit_code(error: RayfaasError) -> int:
    """The exit code for an error.

    >>> exit_code(NotFound("no such function"))
    3
    """
    return next((code for kind, code in _BY_KIND if isinstance(error, kind)), FAILED)
