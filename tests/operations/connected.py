"""A client that is connected to a server which answers as a table says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rayfaas import Client
from tests.scripted_server import ScriptedServer, routes

WHOAMI = {"GET /v1/whoami": {"principal": "ada", "team": "nlp", "role": "deployer"}}


@contextmanager
def connected(table: dict[str, Any]) -> Iterator[tuple[Client, ScriptedServer]]:
    with ScriptedServer(routes({**WHOAMI, **table})) as server, Client(server.url, "rf_x") as client:
        yield client, server
