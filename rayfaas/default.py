"""The client that decorated functions and `rayfaas.get` use where none is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rayfaas
from rayfaas.context import Access, calling
from rayfaas.errors import Unavailable

if TYPE_CHECKING:
    from rayfaas.client import Client


class DefaultClient:
    """Makes one client, from the environment, when it is first asked for, and keeps it.

    In an executor it is another: one that calls other functions in the name of the call that asks.
    """

    def __init__(self) -> None:
        self._client: Client | None = None
        self._of_calls = False

    def get(self) -> Client:
        if self._client is None:
            # Through the package, which loads the client's module only now. No lock, which a fork could leave locked:
            # two threads may both make a client here, and the one that is not kept has opened nothing yet.
            self._client = rayfaas.Client.of_calls(_access().url, _token) if self._of_calls else rayfaas.Client()
        return self._client

    def belong_to_calls(self) -> None:
        """This process is an executor: user code in it has no token of its own."""
        self._of_calls = True


def _access() -> Access:
    call = calling()
    if call is None or call.access is None:
        raise Unavailable(
            "Only code that answers a call can call other functions: on import, and on threads of your own, nobody is "
            "known in whose name. Run a thread's target with contextvars.copy_context().run."
        )
    return call.access()


def _token() -> str:
    return _access().token


DEFAULT = DefaultClient()
