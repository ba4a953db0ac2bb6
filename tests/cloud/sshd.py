"""`python -m tests.cloud.sshd PORT DIRECTORY`: an ssh server, where no real sshd is installed."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import asyncssh


class _Server(asyncssh.SSHServer):
    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return key.export_public_key().decode().split()[1] in (self._directory / "authorized_keys").read_text()


async def _run(process: asyncssh.SSHServerProcess[bytes], home: Path) -> None:
    environ = {**os.environ, "HOME": str(home)}
    shell = await asyncio.create_subprocess_exec(
        "sh",
        "-c",
        process.command or "true",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environ,
    )
    output, errors = await shell.communicate(await process.stdin.read())
    process.stdout.write(output)
    process.stderr.write(errors)
    process.exit(shell.returncode or 0)


async def serve(port: int, directory: Path) -> None:
    await asyncssh.create_server(
        lambda: _Server(directory),
        "127.0.0.1",
        port,
        server_host_keys=[str(directory / "host_key")],
        process_factory=lambda process: _run(process, directory / "home"),
        encoding=None,
    )
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
