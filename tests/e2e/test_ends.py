"""How calls end badly, and what their callers are told: never silence, never less than is known."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import rayfaas
from rayfaas.errors import CallTimeout, ExecutorDied, FunctionError, OutOfMemory
from tests.e2e.conftest import Server

Write = Callable[[str, str], Path]

ENDINGS = """
import ctypes
import os
import time
import rayfaas

class NoStock(ValueError):
    pass

@rayfaas.function()
def crashes() -> int:
    os.write(2, b"about to crash\\n")
    return ctypes.string_at(0)

@rayfaas.function()
def leaves(code: int) -> int:
    os._exit(code)

@rayfaas.function(memory_mb=300)
def hoards(mb: int) -> int:
    held = bytearray(mb * 1_000_000)
    for at in range(0, len(held), 4096):
        held[at] = 1
    time.sleep(30 if mb > 300 else 0)
    return len(held)

@rayfaas.function()
def sells(n: int) -> int:
    try:
        return {}["stock"]
    except KeyError as error:
        raise NoStock(f"none left of {n}") from error

@rayfaas.function(timeout_s=1)
def stubborn() -> int:
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass
"""


@pytest.fixture
def client(server: Server) -> Iterator[rayfaas.Client]:
    with rayfaas.Client(server.url, server.token) as client:
        yield client


@pytest.fixture
def endings(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, client: rayfaas.Client) -> Iterator[Any]:
    file = write("endings.py", ENDINGS)
    client.deploy_file(file)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module("endings")
    del sys.modules["endings"]


def test_a_death_is_explained_with_its_signal_or_code_and_last_output(endings: Any, client: rayfaas.Client) -> None:
    with pytest.raises(ExecutorDied, match="was killed by SIGSEGV") as crash:
        endings.crashes.with_options(client=client).remote()
    assert "about to crash" in str(crash.value)
    assert "endings.py" in str(crash.value)  # the Python stack of the crash
    with pytest.raises(ExecutorDied, match="exited with code 3"):
        endings.leaves.with_options(client=client).remote(3)


def test_who_uses_more_memory_than_declared_is_told_so_and_the_next_call_is_served(
    endings: Any, client: rayfaas.Client
) -> None:
    hoards = endings.hoards.with_options(client=client)
    with pytest.raises(OutOfMemory, match="memory_mb=300"):
        hoards.remote(600)
    assert hoards.remote(1) == 1_000_000


def test_an_exception_is_raised_here_as_its_own_type_and_as_ours(endings: Any, client: rayfaas.Client) -> None:
    with pytest.raises(endings.NoStock, match="none left of 2") as raised:
        endings.sells.with_options(client=client).remote(2)
    assert isinstance(raised.value, FunctionError)
    assert raised.value.extra["causes"] == [{"exception": "KeyError", "message": "'stock'"}]


def test_code_that_ignores_its_interruption_is_ended_and_the_next_call_is_served(
    endings: Any, client: rayfaas.Client, server: Server
) -> None:
    with pytest.raises(CallTimeout):
        endings.stubborn.with_options(client=client).remote()
    with pytest.raises(CallTimeout):
        endings.stubborn.with_options(client=client).remote()
    states = server.sql("SELECT state FROM calls WHERE function = 'default/stubborn'")
    assert states == [["TIMED_OUT"], ["TIMED_OUT"]]


def test_a_deploy_of_the_same_shape_does_not_restart_a_replica(server: Server, write: Write) -> None:
    def replicas() -> list[str]:
        return [r["replica"] for r in server.status()["replicas"] if r["application"].startswith("default--kept--")]

    def deploy(answer: int) -> None:
        file.write_text(f"def kept() -> int:\n    return {answer}\n")
        assert server.deploy(file, "kept", {"shape": {"memory_mb": 400}})[-1]["event"] == "live"

    file = write("kept.py", "")
    deploy(1)
    before = replicas()
    assert len(before) == 1
    for answer in range(2, 6):
        deploy(answer)
        assert server.call("kept", None) == answer
    assert replicas() == before
    # Ray Serve replaces in the background: ask it, not only those that are connected.
    applications = server.status()["clusters"][0]["applications"]
    assert [a["replicas"] for name, a in applications.items() if name.startswith("default--kept--")] == [1]
    assert server.sql("SELECT count(*) FROM calls WHERE function = 'default/kept' AND cold") == [[0]]
