"""An ssh server, for where no real sshd is installed."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import asyncssh

T = TypeVar("T")


class Sshd:
    """Listens on a port of this machine, with the home, host key and authorized_keys in a directory, until it is ended.

    It has an event loop in a thread of its own.
    """

    def __init__(self, port: int, directory: Path) -> None:
        self._port, self._directory = port, directory
        self._connections: set[asyncssh.SSHServerConnection] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._run(self._listen())

    def end(self) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(20)

    async def _listen(self) -> asyncssh.SSHAcceptor:
        return await asyncssh.create_server(
            lambda: _Server(self._directory, self._connections),
            "127.0.0.1",
            self._port,
            server_host_keys=[str(self._directory / "host_key")],
            process_factory=lambda process: _shell(process, self._directory / "home"),
            encoding=None,
        )

    async def _close(self) -> None:
        self._server.close()
        connections = list(self._connections)
        for each in connections:
            each.abort()
        await asyncio.gather(self._server.wait_closed(), *(each.wait_closed() for each in connections))


class _Server(asyncssh.SSHServer):
    def __init__(self, directory: Path, connections: set[asyncssh.SSHServerConnection]) -> None:
        self._directory, self._connections = directory, connections

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connections.add(conn)
        self._connection = conn

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self._connection)

    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return key.export_public_key().decode().split()[1] in (self._directory / "authorized_keys").read_text()


async def _shell(process: asyncssh.SSHServerProcess[bytes], home: Path) -> None:
    pipe = asyncio.subprocess.PIPE
    environ = {**os.environ, "HOME": str(home)}
    shell = await asyncio.create_subprocess_exec(
        "sh", "-c", process.command or "true", stdin=pipe, stdout=pipe, stderr=pipe, env=environ
    )
    output, errors = await shell.communicate(await process.stdin.read())
    process.stdout.write(output)
    process.stderr.write(errors)
    process.exit(shell.returncode or 0)
