"""Whatever an intruder says on the controller's socket: refused, logged once, and its peers are served."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayfaas.config import Home
from rayfaas.link import Link
from rayfaas.registry import Registry
from tests.intruders import FUZZ, intrude, is_as_before, logged, open_files, sayings
from tests.server.test_controller import running


@pytest.fixture
async def peer(home: Home, registry: Registry) -> AsyncIterator[Link]:
    """A gateway that the controller serves."""
    async with running(home, registry) as server:
        yield await server.gateway()


@FUZZ
@given(said=sayings, stays=st.booleans())
async def test_no_intruder_is_let_in_or_keeps_a_peer_from_its_answer(
    peer: Link, home: Home, caplog: pytest.LogCaptureFixture, said: bytes, stays: bool
) -> None:
    assert await peer.request("functions") == []
    caplog.clear()
    files = open_files()
    await intrude(home.controller_socket, said, stays)
    await is_as_before(files)
    assert await peer.request("functions") == []
    assert len(logged(caplog)) <= 1
    assert all("refused" in line for line in logged(caplog))
