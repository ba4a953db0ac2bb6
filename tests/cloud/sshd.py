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
            lambda: _Server(self._directory),
            "127.0.0.1",
            self._port,
            server_host_keys=[str(self._directory / "host_key")],
            process_factory=lambda process: _shell(process, self._directory / "home"),
            encoding=None,
        )

    async def _close(self) -> None:
        self._server.close()
        await self._server.wait_closed()


class _Server(asyncssh.SSHServer):
    def __init__(self, directory: Path) -> None:
        self._directory = directory

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
