"""The call that the current code runs in: its id, parent, deadline and caller. Each call has its own."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field

from rayfaas.trace import traceparent_of

# How long the header Rayfaas-Context may be, in bytes.
MAX_CONTEXT = 4096


@dataclass(frozen=True, slots=True)
class Access:
    """Where, and with which token, a call calls other functions."""

    url: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CallContext:
    """What a function may know of the call that it answers.

    `call_id` and `root_id` are UUIDv7 texts; `deadline` is Unix time in seconds; `principal` and `team` are of the
    caller. `trace` is the id of the caller's trace, where it told one. `access` asks the gateway what the call may call
    other functions with.

    >>> @rayfaas.function()  # doctest: +SKIP
    ... def embed(texts: list[str]) -> list[list[float]]:
    ...     call = rayfaas.current_call()
    ...     print(call.principal, "waits for", call.remaining_s(), "more seconds")
    """

    call_id: str
    root_id: str
    parent_id: str | None
    function: str
    version: int
    principal: str
    team: str
    deadline: float
    trace: str = ""
    access: Callable[[], Access] | None = field(default=None, repr=False, compare=False)

    @property
    def traceparent(self) -> str:
        """The W3C header for what this call asks of others, so that they are in its trace.

        >>> call = CallContext("018f…-b", "r", None, "nlp/embed", 7, "ann", "nlp", 4e9, "4bf92f35")  # doctest: +SKIP
        >>> requests.get(url, headers={"traceparent": call.traceparent})  # doctest: +SKIP
        """
        return traceparent_of(self.call_id, self.root_id, self.trace)

    def remaining_s(self) -> float:
        """Seconds until the deadline; never negative."""
        return max(0.0, self.deadline - time.time())


_current: ContextVar[CallContext | None] = ContextVar("rayfaas_call", default=None)


ASKED = "rayfaas.asked"
"""The audit event of code that asks which call it answers: what it returns may be that call's alone."""


def current_call() -> CallContext | None:
    """The call that this code answers, or None outside a call.

    >>> current_call() is None
    True
    """
    sys.audit(ASKED)
    return _current.get()


def calling() -> CallContext | None:
    """The same for the client, in whose answers it makes no difference."""
    return _current.get()


def enter_call(call: CallContext | None) -> None:
    """Make `call` the current one in this context; the executor does so before user code runs."""
    _current.set(call)
