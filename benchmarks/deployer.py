"""Deploys small functions over plain HTTP, as any language could, and looks at the processes of the server."""

from __future__ import annotations

import hashlib
import http.client
import io
import json
import time
import zipfile
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from benchmarks.errors import BenchmarkError
from benchmarks.steady_load import FRESH_S
from benchmarks.systems.rayfaas_server import Server


class Deployer:
    """One connection to a server. Every function is one of the module `code`."""

    def __init__(self, server: Server) -> None:
        parts = urlsplit(server.url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=120)
        self._headers = {"Authorization": f"Bearer {server.token}"}
        self._used_at = time.monotonic()

    def bundle(self, code: str) -> str:
        """Send a module; its digest."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr(zipfile.ZipInfo("code_.py"), code)
        content = buffer.getvalue()
        digest = hashlib.sha256(content).hexdigest()
        self.ask("PUT", f"/v1/bundles/{digest}", content)
        return digest

    def deploy(self, name: str, bundle: str, entry: str = "f", spec: Mapping[str, Any] | None = None) -> float:
        """The seconds that it took until it was live."""
        publish = {"bundle": bundle, "entry": {"module": "code_", "name": entry}, "spec": spec or {}}
        started = time.perf_counter()
        events = self.ask("POST", f"/v1/functions/default/{name}/versions", json.dumps(publish).encode())
        took_s = time.perf_counter() - started
        last = json.loads(events.splitlines()[-1])
        if last["event"] != "live":
            raise BenchmarkError(f"the deploy of {name} ended with {last}")
        return took_s

    def call(self, name: str, body: bytes = b"null") -> bytes:
        return self.ask("POST", f"/call/{name}", body)

    def ask(self, method: str, path: str, body: bytes = b"") -> bytes:
        """The answer's body; one that is no success is a BenchmarkError."""
        if time.monotonic() - self._used_at > FRESH_S:
            self._connection.close()  # and dialled again: the server may be about to close it
        self._connection.request(method, path, body, {"Content-Type": "application/json", **self._headers})
        response = self._connection.getresponse()
        content = response.read()
        self._used_at = time.monotonic()
        if response.status >= 300:
            raise BenchmarkError(f"{method} {path} was answered {response.status}: {content.decode()[:500]}")
        return content

    def close(self) -> None:
        self._connection.close()
