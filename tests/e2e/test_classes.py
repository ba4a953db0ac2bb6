"""Classes keep their state between calls, give way to their next version in both ways without losing a call, and
batched functions really answer several calls at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest

import rayfaas
from tests.e2e.conftest import Server, eventually
from tests.e2e.test_under_load import Load

Write = Callable[[str, str], Path]

COUNTER = """
import os
import rayfaas

@rayfaas.cls(swap="{swap}")
class {name}:
    @rayfaas.enter
    def load(self) -> None:
        self.calls = 0

    def release(self) -> int:
        self.calls += 1
        return {number}

    async def state(self) -> dict:
        return {{"calls": self.calls, "pid": os.getpid()}}

    def count(self, to: int):
        yield from range(to)
"""


@pytest.fixture
def client(server: Server) -> rayfaas.Client:
    return rayfaas.Client(server.url, server.token)


def test_a_class_is_deployed_called_by_its_methods_and_keeps_its_state(
    server: Server, client: rayfaas.Client, write: Write
) -> None:
    file = write("counter.py", COUNTER.format(name="Counter", swap="overlap", number=1))
    deployed = server.rayfaas("deploy", file)
    assert deployed.returncode == 0, deployed.stderr
    for _ in range(3):
        assert server.call("Counter.release", None) == 1
    counter = rayfaas.get("default/Counter").with_options(client=client)
    state = counter.state.remote()
    assert state["calls"] == 3
    assert rayfaas.get("Counter.state:1").with_options(client=client).remote()["pid"] == state["pid"]
    assert list(counter.count.stream(3)) == [0, 1, 2]
    assert counter.release.spawn().result(60) == 1
    called = server.rayfaas("call", "Counter.release@live")
    assert (called.returncode, called.stdout.strip()) == (0, "1"), called.stderr
    refused = server.http.post("/call/Counter.other")
    assert refused.status_code == 404
    assert refused.json()["methods"] == ["release", "state", "count"]
    assert server.http.post("/call/Counter").status_code == 404
    rows = server.sql("SELECT method, count(*) FROM calls WHERE function = 'default/Counter' GROUP BY ALL ORDER BY 1")
    assert rows == [["count", 1], ["release", 5], ["state", 2]]


@pytest.mark.parametrize("swap", ["overlap", "replace"])
def test_redeploys_under_load_fail_no_call(server: Server, client: rayfaas.Client, write: Write, swap: str) -> None:
    name = f"Under_{swap}"
    file = write(f"under_{swap}.py", COUNTER.format(name=name, swap=swap, number=1))
    client.deploy_file(file)
    with Load(server, f"{name}.release").running() as load:
        for number in range(2, 7):
            enough = len(load.answered) + 20
            eventually(lambda: len(load.answered) > enough)  # noqa: B023 it is asked here
            file.write_text(COUNTER.format(name=name, swap=swap, number=number))
            (deployed,) = client.deploy_file(file)
            assert deployed.version == number
    assert load.failed == []
    assert load.refused == 0
    assert {result for _, _, result in load.answered.values()} >= {1, 2, 3, 4, 5}
    in_order = sorted(load.answered.values(), key=lambda each: each[0])
    assert in_order[-1][2] == 6
    ran = server.sql(
        "SELECT version, min(started_at), max(ended_at) FROM calls WHERE function = ? GROUP BY ALL ORDER BY 1",
        f"default/{name}",
    )
    if swap == "replace":  # one after the other: no version began before the one before had ended its last call
        assert all(before[2] <= after[1] for before, after in pairwise(ran))


def test_a_replacement_that_does_not_load_leaves_the_old_version_and_loses_no_call(
    server: Server, client: rayfaas.Client, write: Write
) -> None:
    good = COUNTER.format(name="Broken", swap="replace", number=1)
    file = write("broken.py", good)
    client.deploy_file(file)
    with Load(server, "Broken.release").running() as load:
        eventually(lambda: len(load.answered) > 20)
        file.write_text(good.replace("self.calls = 0", "raise OSError('no weights')"))
        with pytest.raises(rayfaas.RayfaasError, match="no weights"):
            client.deploy_file(file)
        answered = len(load.answered)
        eventually(lambda: len(load.answered) > answered + 20)
    assert load.failed == []
    assert {result for _, _, result in load.answered.values()} == {1}


BATCHED = """
import rayfaas

@rayfaas.function()
@rayfaas.batched(max_size=16, wait_ms=20)
def squares(numbers: list[int]) -> list[int]:
    return [n * n for n in numbers]
"""


def test_calls_that_come_together_are_run_together(server: Server, client: rayfaas.Client, write: Write) -> None:
    client.deploy_file(write("squares.py", BATCHED))
    squares = rayfaas.get("squares").with_options(client=client)
    start = threading.Barrier(16)

    def call(number: int) -> int:
        start.wait()
        return int(squares.remote(number))

    with ThreadPoolExecutor(16) as threads:
        assert list(threads.map(call, range(16))) == [n * n for n in range(16)]
    assert list(squares.map(range(200))) == [n * n for n in range(200)]
    ((calls, most, least, batches),) = server.sql(
        "SELECT count(*), max(batch_size), min(batch_size), sum(1 / batch_size) FROM calls "
        "WHERE function = 'default/squares'"
    )
    assert calls == 216
    assert 1 < most <= 16
    assert least >= 1
    assert batches < 120
