"""Calls that run whatever happens: spawned ones, those with an idempotency key, and inputs by the thousand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

import rayfaas
from rayfaas.errors import BadRequest, CallCancelled, Conflict, FunctionError
from tests.e2e.conftest import Server, eventually

WORK = """
import time
from collections.abc import Iterator
from pathlib import Path
import rayfaas

@rayfaas.function(concurrency=4)
def append(path: str, line: str, seconds: float = 0.0) -> str:
    with Path(path).open("a") as file:
        file.write(line + "\\n")
    print("wrote", line)
    time.sleep(seconds)
    return line

@rayfaas.function(retries=3, retry_delay_s=0.05, retry_on=["OSError"])
def flaky(path: str, fails: int) -> int:
    with Path(path).open("a+") as file:
        file.write("x")
        file.seek(0)
        times = len(file.read())
    if times <= fails:
        raise OSError("not yet")
    return times

@rayfaas.function(concurrency=4)
def square(x: int) -> int:
    if x < 0:
        raise ValueError(f"{x} is negative")
    return x * x

@rayfaas.function()
def count(n: int) -> Iterator[int]:
    yield from range(n)
"""


@pytest.fixture(scope="module")
def client(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[rayfaas.Client]:
    file = tmp_path_factory.mktemp("work") / "work.py"
    file.write_text(WORK)
    with rayfaas.Client(server.url, server.token) as client:
        client.deploy_file(file)
        yield client


def test_a_spawned_call_is_asked_for_later_by_its_id(client: rayfaas.Client, tmp_path: Path) -> None:
    spawned = rayfaas.get("append").with_options(client=client).spawn(str(tmp_path / "f"), "one")
    assert spawned.result(timeout_s=30) == "one"
    again = client.spawned(spawned.id)
    assert asyncio.run(again.result.aio()) == "one"
    status = again.status()
    assert (status["state"], status["attempts"], status["spawned"]) == ("SUCCEEDED", 1, True)
    assert [line["text"] for line in again.logs()] == ["wrote one\n"]
    assert rayfaas.get("count").with_options(client=client).spawn(3).result(timeout_s=30) == [0, 1, 2]


def test_what_fails_is_tried_again_as_often_as_declared(client: rayfaas.Client, tmp_path: Path) -> None:
    flaky = rayfaas.get("flaky").with_options(client=client)
    assert flaky.spawn(str(tmp_path / "a"), fails=2).result(timeout_s=30) == 3
    hopeless = flaky.spawn(str(tmp_path / "b"), fails=9)
    with pytest.raises(FunctionError, match="not yet"):
        hopeless.result(timeout_s=30)
    assert (tmp_path / "b").read_text() == "xxxx"
    assert hopeless.status()["attempts"] == 4
    rows = client.sql("SELECT state, attempts FROM spawned WHERE call::VARCHAR = ?", [hopeless.id]).rows
    assert rows == (("FAILED", 4),)
    # Dead letters can be run again.
    replayed = hopeless.replay()
    with pytest.raises(FunctionError):
        replayed.result(timeout_s=30)
    assert (tmp_path / "b").read_text() == "xxxxxxxx"


def test_what_failed_is_listed_and_run_again(server: Server, client: rayfaas.Client, tmp_path: Path) -> None:
    flaky = rayfaas.get("flaky").with_options(client=client, retries=1)
    call = flaky.spawn(str(tmp_path / "tries"), 2)
    with pytest.raises(FunctionError):
        call.result(timeout_s=30)
    server.call("square", {"x": 3})
    listed = json.loads(server.rayfaas("calls", "flaky", "--state", "failed", "--json").stdout)
    (failed,) = (each for each in listed if each["call"] == call.id)
    assert (failed["state"], failed["code"], failed["attempts"]) == ("FAILED", "function_error", 2)
    (again,) = json.loads(server.rayfaas("replay", call.id, "--json").stdout)
    assert client.spawned(again["replay"]).result(timeout_s=30) == 3
    everything = json.loads(server.rayfaas("calls", "-n", "1000", "--json").stdout)
    assert len({each["call"] for each in everything}) == len(everything)
    assert {"default/square", "default/flaky"} <= {each["function"] for each in everything}


def test_calls_with_one_idempotency_key_run_once(client: rayfaas.Client, tmp_path: Path) -> None:
    path = str(tmp_path / "once")
    append = rayfaas.get("append")
    assert append.with_options(client=client, idempotency_key="k1").remote(path, "a") == "a"
    assert append.with_options(client=client, idempotency_key="k1").remote(path, "a") == "a"
    with pytest.raises(BadRequest, match="other arguments"):
        append.with_options(client=client, idempotency_key="k1").remote(path, "b")
    with ThreadPoolExecutor(8) as pool:
        keyed = append.with_options(client=client, idempotency_key="k2")
        assert set(pool.map(lambda _: keyed.remote(path, "c", 0.2), range(6))) == {"c"}
    assert len((tmp_path / "once").read_text().split()) == 2


def test_a_spawned_call_is_cancelled_while_it_runs(server: Server, client: rayfaas.Client, tmp_path: Path) -> None:
    spawned = rayfaas.get("append").with_options(client=client).spawn(str(tmp_path / "c"), "x", 60)
    eventually(lambda: (tmp_path / "c").exists())
    with pytest.raises(TimeoutError):
        spawned.result(timeout_s=0.5)
    pids = {process.pid for process in server.executors()}
    spawned.cancel()
    with pytest.raises(CallCancelled):
        spawned.result(timeout_s=30)
    with pytest.raises(Conflict):
        spawned.cancel()
    # It blocks, so its process is killed after a while, and what else of the same function runs in it ends with it.
    eventually(lambda: pids - {process.pid for process in server.executors()})


def test_map_keeps_the_order_and_bounds_what_is_under_way(client: rayfaas.Client) -> None:
    square = rayfaas.get("square").with_options(client=client)
    taken = 0

    def inputs() -> Iterator[int]:
        nonlocal taken
        for x in range(300):
            taken += 1
            yield x

    results = iter(square.map(inputs(), concurrency=8))
    assert [next(results) for _ in range(10)] == [x * x for x in range(10)]
    assert taken <= 18
    assert list(results) == [x * x for x in range(10, 300)]
    assert sorted(square.map(range(50), ordered=False)) == [x * x for x in range(50)]
    assert list(square.starmap([(2,), (3,)])) == [4, 9]

    async def collect() -> list[int]:
        return [value async for value in square.map(range(20))]

    assert asyncio.run(collect()) == [x * x for x in range(20)]
    with pytest.raises(FunctionError, match="negative"):
        list(square.map([1, -1]))
    one, error = square.map([1, -1], return_exceptions=True)
    assert one == 1
    assert isinstance(error, FunctionError)


def test_spawned_calls_survive_the_death_of_everything_in_the_home_server(
    server: Server, client: rayfaas.Client, tmp_path: Path
) -> None:
    """Gateway, controller and executors are killed while hundreds of calls wait and run."""
    path = tmp_path / "survivors"
    append = rayfaas.get("append").with_options(client=client)
    with ThreadPoolExecutor(16) as pool:
        calls = list(pool.map(lambda n: append.spawn(str(path), f"line{n}", 0.02), range(300)))
    killed: list[psutil.Process] = [
        *server.find("rayfaas.server.gateway"),
        *server.find("rayfaas.server.controller"),
        *server.executors(),
    ]
    for process in killed:
        process.kill()

    def states() -> dict[str, int]:
        return dict(
            client.sql(
                "SELECT state, count(*) FROM spawned WHERE list_contains(?, call::VARCHAR) GROUP BY ALL",
                [[call.id for call in calls]],
            ).rows
        )

    def all_settled() -> bool:
        try:
            return states() == {"SUCCEEDED": 300}
        except rayfaas.RayfaasError:
            return False

    eventually(all_settled, 90)
    assert {f"line{n}" for n in range(300)} == set(path.read_text().split())
