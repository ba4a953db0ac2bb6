"""What holds while calls go on: redeploys drop none, and the death of any process loses none that was answered."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import httpx
import psutil
import pytest

from tests.e2e.conftest import Server, eventually

Write = Callable[[str, str], Path]


class Place(Protocol):
    """Where calls are answered, and with what token."""

    url: str

    @property
    def token(self) -> str: ...


class Load:
    """Closed-loop callers on threads; what each was answered, and what failed."""

    def __init__(self, server: Place, target: str) -> None:
        self._server, self._target = server, target
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self.answered: dict[str, tuple[float, float, object]] = {}  # by call: sent, answered, result
        self.failed: list[str] = []
        self.refused = 0  # connections that no gateway took
        self._threads = [threading.Thread(target=self._call) for _ in range(8)]

    @contextmanager
    def running(self) -> Iterator[Load]:
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self._ending.set()
            for thread in self._threads:
                thread.join(60)

    def _call(self) -> None:
        headers = {"Authorization": f"Bearer {self._server.token}"}
        with httpx.Client(base_url=self._server.url, headers=headers, timeout=60) as http:
            while not self._ending.is_set():
                sent = time.monotonic()
                try:
                    answer = http.post(f"/call/{self._target}", json=None)
                except httpx.TransportError:
                    self.refused += 1
                    self._ending.wait(0.02)
                    continue
                with self._lock:
                    if answer.status_code == 200:
                        self.answered[answer.headers["rayfaas-call-id"]] = (sent, time.monotonic(), answer.json())
                    else:
                        self.failed.append(answer.text)


def test_twenty_redeploys_under_load_fail_no_call(server: Server, write: Write) -> None:
    def text(number: int) -> str:
        return f"def release() -> int:\n    return {number}\n"

    file = write("release.py", text(0))
    server.deploy(file, "release")
    begun, live = {0: 0.0}, {0: 0.0}
    with Load(server, "release").running() as load:
        for number in range(1, 21):
            file.write_text(text(number))
            begun[number] = time.monotonic()
            assert server.deploy(file, "release")[-1]["event"] == "live"
            live[number] = time.monotonic()
    assert load.failed == []
    assert load.refused == 0
    assert len(load.answered) > 20
    for sent, answered, result in load.answered.values():
        assert isinstance(result, int)
        assert begun[result] <= answered, "answered by a version before its deploy began"
        if result < 20:
            # A call that was sent after the next version was live must not have been answered by this one.
            assert sent <= live[result + 1]


def test_replicas_come_with_the_load_and_go_without_it(server: Server, write: Write) -> None:
    text = "import time\ndef busy() -> str:\n    time.sleep(0.05)\n    return 'done'\n"
    scaling = {"target_concurrency": 1, "max_replicas": 3, "scale_down_after_s": 2}
    server.deploy(write("busy.py", text), "busy", {"shape": {"cpus": 0.1}, "scaling": scaling})

    def hosts() -> list[str]:
        return [each["application"] for each in server.status()["replicas"] if "default/busy:1" in each["hosted"]]

    assert hosts() == ["warm"]
    with Load(server, "busy").running() as load:
        assert eventually(lambda: sum(host.startswith("default--busy--") for host in hosts()) >= 2, 90)
    assert load.failed == []
    assert eventually(lambda: not any(host.startswith("default--busy--") for host in hosts()), 60)
    assert server.call("busy", None) == "done"


def _warm_replica(server: Server) -> list[psutil.Process]:
    return server.find("ray::ServeReplica:rayfaas:Warm")


_VICTIMS: dict[str, Callable[[Server], list[psutil.Process]]] = {
    "executor": lambda server: server.executors(),
    "zygote": lambda server: server.zygotes(),
    "supervisor": _warm_replica,
    "agent": lambda server: server.find("ray::ServeReplica:rayfaas:Agent"),
    "gateway": lambda server: server.find("rayfaas.server.gateway"),
    "controller": lambda server: server.find("rayfaas.server.controller"),
}


@pytest.mark.parametrize("victim", _VICTIMS)
def test_the_service_comes_back_from_kill_9_and_no_answered_call_is_lost(
    server: Server, write: Write, victim: str
) -> None:
    name = f"survivor_{victim}"
    server.deploy(write(f"{name}.py", f"def {name}() -> int:\n    return 1\n"), name)
    with Load(server, name).running() as load:
        eventually(lambda: len(load.answered) > 50)
        killed = _VICTIMS[victim](server)
        assert killed, f"no process of the {victim} was found"
        for process in killed:
            process.kill()
        answered = len(load.answered)
        eventually(lambda: len(load.answered) > answered + 50, 90)
    # A supervisor tells how its executors ended. Where it dies with them, nobody can tell.
    expected = {"executor_died", "unavailable", *(["node_lost"] if victim == "supervisor" else [])}
    assert all(json.loads(failure)["code"] in expected for failure in load.failed), load.failed[:3]

    eventually(lambda: server.http.get("/readyz").status_code == 200)
    eventually(lambda: server.http.post("/v1/sql", json={"sql": "SELECT 1"}).status_code == 200)
    eventually(lambda: any(r["application"] == "warm" for r in server.status()["replicas"]), 90)
    rows = server.sql(
        f"SELECT count(*), count(DISTINCT call), count(*) FILTER (state = 'SUCCEEDED') FROM calls "
        f"WHERE function = 'default/{name}' AND list_contains(?, call::VARCHAR)",
        list(load.answered),
    )
    assert rows == [[len(load.answered)] * 3]
    # One executor of it, and no process without a parent of ours.
    _, alive = psutil.wait_procs(killed, timeout=10)
    assert not alive
