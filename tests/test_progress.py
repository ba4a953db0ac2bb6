"""A progress bar changes nothing about what it counts."""

from __future__ import annotations

import itertools

import pytest

import rayfaas
from rayfaas import Client
from rayfaas.progress import shown
from tests.scripted_server import Reply, Request, ScriptedServer


def test_inputs_are_the_same_and_taken_one_by_one(capsys: pytest.CaptureFixture[str]) -> None:
    source = iter(range(5))
    inputs = iter(shown(source, 5, "embed"))
    assert next(inputs) == 0
    assert next(source) == 1
    assert list(inputs) == [2, 3, 4]
    assert capsys.readouterr().out == ""


def test_inputs_without_a_length_are_counted() -> None:
    assert list(itertools.islice(shown(itertools.count(), None, "embed"), 3)) == [0, 1, 2]


def test_what_the_inputs_raise_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        list(shown((1 // n for n in (1, 0)), 2, "embed"))


def test_a_map_with_a_bar_is_a_map(capsys: pytest.CaptureFixture[str]) -> None:
    async def echo(request: Request, reply: Reply) -> None:
        await reply.json(request.json()["args"][0])

    with ScriptedServer(echo) as server, Client(server.url, "rf_x") as client:
        echoed = rayfaas.get("nlp/echo").with_options(client=client)
        assert list(echoed.map(range(3), progress=True)) == [0, 1, 2]
        assert list(echoed.map((n for n in "ab"), progress=True)) == ["a", "b"]
        assert list(echoed.starmap([(1,)], progress=True)) == [1]
    assert capsys.readouterr().out == ""


def test_two_bars_at_once_do_not_disturb_each_other() -> None:
    pairs = zip(shown(range(3), 3, "one"), shown(range(3), 3, "two"), strict=True)
    assert list(pairs) == [(0, 0), (1, 1), (2, 2)]
