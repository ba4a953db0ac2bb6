"""Large bytes and open files go out as they are, and come back with one copy."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from rayfaas.call import Call
from rayfaas.config import ClientConfig
from rayfaas.outgoing import is_file
from rayfaas.pieces import LARGE
from rayfaas.transport import Transport
from rayfaas.wire import ARGUMENTS_MSGPACK, OCTETS
from tests.scripted_server import Reply, Request, ScriptedServer

DATA = bytes(range(256)) * (LARGE // 128)


async def echo(request: Request, reply: Reply) -> None:
    await reply.send(body=request.body, headers={"Content-Type": OCTETS})


async def sent(*args: Any) -> tuple[Request, Any]:
    """What the server got, and what the call came to: the same bytes."""
    with ScriptedServer(echo) as server:
        transport = Transport(ClientConfig(server.url, None))
        try:
            result = await Call("f", args, {}).answer(transport)
        finally:
            await transport.aclose()
    return server.requests[0], result


async def test_large_bytes_are_the_body_itself() -> None:
    request, result = await sent(DATA)
    assert (request.headers["content-type"], request.headers["content-length"]) == (OCTETS, str(len(DATA)))
    assert "transfer-encoding" not in request.headers
    assert result == DATA


async def test_small_ones_and_those_among_others_are_arguments() -> None:
    for args in ((b"\xff",), (DATA, 1)):
        request, _ = await sent(*args)
        assert request.headers["content-type"] == ARGUMENTS_MSGPACK


@pytest.mark.parametrize("at", [0, 100])
async def test_an_open_file_is_sent_from_where_it_stands(tmp_path: Path, at: int) -> None:
    (tmp_path / "data").write_bytes(DATA)
    with (tmp_path / "data").open("rb") as file:
        file.seek(at)
        request, result = await sent(file)
    assert request.headers["content-length"] == str(len(DATA) - at)
    assert result == DATA[at:]


async def test_an_empty_file_is_an_empty_body() -> None:
    request, _ = await sent(io.BytesIO())
    assert (request.headers["content-type"], request.headers["content-length"]) == (OCTETS, "0")


def test_files_are_those_that_bytes_are_read_from(tmp_path: Path) -> None:
    with (tmp_path / "data").open("wb") as written:
        assert [is_file(each) for each in (io.BytesIO(), written, io.StringIO(), b"", None)] == [True] + [False] * 4
