"""A peer that does not answer is passed over, and the log says so."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rayfaas.errors import Unavailable
from rayfaas.link import Link
from rayfaas.server.asking import ask
from rayfaas.server.views import view_of
from tests.server.parts import Peer


def agent(**answers: Any) -> Link:
    peer = Peer(**answers)
    peer.peer = {"role": "agent", "cluster": "lab"}
    return peer.link


async def test_an_answer_is_as_it_was_given() -> None:
    assert await ask(agent(held=["c1"]), "held", 1.0) == ["c1"]


@pytest.mark.parametrize(
    ("error", "told"),
    [(Unavailable("the connection is down"), "the connection is down"), (asyncio.TimeoutError(), "not in time")],
)
async def test_who_does_not_answer_is_named(error: Exception, told: str, caplog: pytest.LogCaptureFixture) -> None:
    assert await ask(agent(held=error), "held", 1.0) is None
    assert caplog.messages == [f"agent lab did not answer held: {told}"]


@pytest.mark.parametrize("view", [{}, {"nodes": [{"id": 1}], "waiting": []}, {"nodes": [], "waiting": [1]}, []])
async def test_a_view_that_is_not_understood_is_none(view: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert await view_of(agent(view=view)) is None
    assert caplog.messages[0].startswith("what agent lab tells of its nodes is not understood: ")
