"""The client that decorated functions and `rayfaas.get` use where none is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rayfaas

if TYPE_CHECKING:
    from rayfaas.client import Client


class DefaultClient:
    """Makes one client, from the environment, when it is first asked for, and keeps it."""

    def __init__(self) -> None:
        self._client: Client | None = None

    def get(self) -> Client:
        if self._client is None:
            # Through the package, which loads the client's module only now. No lock, which a fork could leave locked:
            # two threads may both make a client here, and the one that is not kept has opened nothing yet.
            self._client = rayfaas.Client()
        return self._client


DEFAULT = DefaultClient()
