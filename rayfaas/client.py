"""A client of one rayfaas server: what decorated functions, `rayfaas.get` and the command line speak through."""

from __future__ import annotations

import os
from collections.abc import Callable
from types import TracebackType

from rayfaas.config import ClientConfig, Home
from rayfaas.operation import Speaker
from rayfaas.operations.artifacts import Artifacts
from rayfaas.operations.calls import Calls
from rayfaas.operations.clusters import Clusters
from rayfaas.operations.deploys import Deploys
from rayfaas.operations.functions import Functions
from rayfaas.operations.limiting import Limiting
from rayfaas.operations.logs import Logs
from rayfaas.operations.machines import Machines
from rayfaas.operations.people import People
from rayfaas.operations.queries import Queries
from rayfaas.operations.releases import Releases
from rayfaas.operations.schedules import Schedules
from rayfaas.operations.secrets import Secrets
from rayfaas.operations.sharing import Sharing
from rayfaas.operations.webhooks import Webhooks
from rayfaas.remembered import Remembered
from rayfaas.session import Sessions


class Client(
    Calls,
    Deploys,
    Functions,
    Releases,
    Queries,
    Logs,
    Secrets,
    Schedules,
    Artifacts,
    Sharing,
    Limiting,
    People,
    Webhooks,
    Clusters,
    Machines,
):
    """Speaks to the server at `url` with `token`.

    Without them it is the one that RAYFAAS_URL and RAYFAAS_TOKEN name, else the one that this user started. Every
    operation is called plainly (`client.functions()`) or awaited (`await client.functions.aio()`). What goes wrong is a
    `RayfaasError`: `Unavailable` where no server answers, which is first noticed by an operation.

    >>> with Client() as client:  # doctest: +SKIP
    ...     client.sql("SELECT count(*) FROM calls").rows
    ((3,),)
    """

    def __init__(self, url: str | None = None, token: str | None = None) -> None:
        given = {"RAYFAAS_URL": url, "RAYFAAS_TOKEN": token}
        environ = {**os.environ, **{name: value for name, value in given.items() if value is not None}}
        self.config = ClientConfig.from_env(environ)
        self._remembered = Remembered(Home.from_env(environ).deployed)
        super().__init__(Sessions(self.config))

    @classmethod
    def of_calls(cls, url: str, token: Callable[[], str]) -> Client:
        """The client of an executor's process: `token` gives the one of the call that asks."""
        client = cls.__new__(cls)
        client.config, client._remembered = ClientConfig(url, None), None
        Speaker.__init__(client, Sessions(client.config, token))
        return client

    def close(self) -> None:
        """End its connections; calls under way are cancelled. Safe to repeat."""
        self._sessions.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
