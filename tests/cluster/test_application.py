"""A cluster joins with its token and with nothing else."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import warnings
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from click import ClickException
from click.testing import CliRunner

from rayfaas.errors import Conflict, Unauthenticated
from rayfaas.handshake import Identity, ServerSide
from rayfaas.link import Link, Service
from tests.waiting import eventually

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of Ray's own modules
    from rayfaas.cluster.application import check_is_one, join, main

SECRET = b"the secret of one join token"


class Controller(Service):
    """Lets whoever proves the token `j-1` join once."""

    def __init__(self) -> None:
        super().__init__({"join": self._join})
        self.joined: list[Identity | None] = []
        self.links: list[Link] = []

    def on_open(self, link: Link) -> None:
        self.links.append(link)

    def on_close(self, link: Link) -> None:
        self.links.remove(link)

    async def _join(self, link: Link) -> dict[str, Any]:
        if self.joined:
            raise Conflict("this token was used")
        self.joined.append(link.peer)
        return {"cluster": "local", "session_key": b"session"}


@pytest_asyncio.fixture(loop_scope="session")
async def controller() -> AsyncIterator[tuple[Controller, str]]:
    """One that listens, and its address."""
    directory = Path(tempfile.mkdtemp(prefix="rf-"))  # short: it holds a socket
    service = Controller()

    def key_of(identity: Identity) -> bytes | None:
        return SECRET if identity == {"role": "join", "join": "j-1"} else None

    server = await asyncio.get_running_loop().create_unix_server(
        lambda: Link(ServerSide(key_of), service), directory / "s"
    )
    async with server:
        yield service, f"unix:{directory / 's'}"
        await eventually(lambda: not service.links)
    shutil.rmtree(directory)


async def test_a_token_is_traded_for_a_name_and_a_key_once(controller: tuple[Controller, str]) -> None:
    service, address = controller
    assert await join(address, "j-1", SECRET) == ("local", b"session")
    assert service.joined == [{"role": "join", "join": "j-1"}]
    with pytest.raises(Conflict, match="used"):
        await join(address, "j-1", SECRET)


async def test_a_wrong_secret_or_token_joins_nothing(controller: tuple[Controller, str]) -> None:
    service, address = controller
    for join_id, secret in (("j-1", b"guessed"), ("j-2", SECRET), ("", b"")):
        with pytest.raises(Unauthenticated):
            await join(address, join_id, secret)
    assert service.joined == []


@pytest.mark.parametrize("token", ["", "j-1", "j-1:"])
def test_without_a_token_nothing_is_begun(token: str) -> None:
    arguments = ["--address", "127.0.0.1:1", "--controller", "unix:/nowhere", "--cache", "/nowhere"]
    result = CliRunner(env={"RAYFAAS_JOIN": token}).invoke(main, arguments)
    assert result.exit_code == 2
    assert "RAYFAAS_JOIN" in result.output


def test_a_controller_that_is_not_there_is_said_and_the_token_is_not_shown() -> None:
    arguments = ["--address", "127.0.0.1:1", "--controller", "unix:/nowhere/at/all", "--cache", "/nowhere"]
    result = CliRunner(env={"RAYFAAS_JOIN": f"j-1:{SECRET.hex()}"}).invoke(main, arguments)
    assert result.exit_code == 1
    assert "unix:/nowhere/at/all" in result.output
    assert SECRET.hex() not in result.output


def test_of_several_clusters_on_a_machine_one_is_to_be_named() -> None:
    check_is_one({"192.0.2.2:6379"})
    check_is_one(())
    with pytest.raises(ClickException, match=r"192\.0\.2\.2:6379, 192\.0\.2\.2:6411.*--address"):
        check_is_one({"192.0.2.2:6411", "192.0.2.2:6379"})
