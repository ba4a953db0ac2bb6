"""Functions that call functions, calls that are cancelled, and what that leaves behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

import rayfaas
from tests.e2e.conftest import Server, eventually

Write = Callable[[str, str], Path]

FAMILY = """
import asyncio, os, time
import rayfaas

@rayfaas.function()
def parent(x: int) -> dict:
    call = rayfaas.current_call()
    return {"id": call.call_id, "child": rayfaas.get("child").remote(x), "token": os.environ.get("RAYFAAS_TOKEN")}

@rayfaas.function()
async def child(x: int) -> dict:
    call = rayfaas.current_call()
    below = await rayfaas.get("grandchild").aio(x) if x else None
    return {"parent": call.parent_id, "root": call.root_id, "team": call.team, "below": below}

@rayfaas.function()
def grandchild(x: int) -> list:
    return [x + 1, rayfaas.current_call().root_id]

@rayfaas.function()
def waits(seconds: float) -> None:
    rayfaas.get("sleeps").remote(seconds)

@rayfaas.function()
def sleeps(seconds: float) -> None:
    time.sleep(seconds)

@rayfaas.function(timeout_s=4)
def hurried() -> None:
    rayfaas.get("sleeps").remote(30)
"""


@pytest.fixture(scope="module")
def client(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[rayfaas.Client]:
    file = tmp_path_factory.mktemp("family") / "family.py"
    file.write_text(FAMILY)
    with rayfaas.Client(server.url, server.token) as client:
        client.deploy_file(file)
        yield client


def test_a_call_inside_a_call_needs_no_token_and_names_every_hop(client: rayfaas.Client) -> None:
    answer = rayfaas.get("parent").with_options(client=client).remote(1)
    assert answer["token"] is None
    assert answer["child"]["parent"] == answer["child"]["root"] == answer["id"]
    assert answer["child"]["below"] == [2, answer["id"]]
    rows = client.sql(
        "SELECT function, caller = (SELECT caller FROM calls WHERE call::VARCHAR = ?) FROM calls "
        "WHERE root::VARCHAR = ? ORDER BY accepted_at",
        [answer["id"], answer["id"]],
    ).rows
    assert rows == (("default/parent", True), ("default/child", True), ("default/grandchild", True))


def test_a_forged_call_token_is_refused(server: Server) -> None:
    answer = httpx.post(f"{server.url}/call/child", headers={"Authorization": "Bearer rc_AAAA"}, json={"x": 0})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


def test_a_client_that_goes_away_cancels_its_call_and_those_below(server: Server, client: rayfaas.Client) -> None:
    with pytest.raises(httpx.ReadTimeout):
        server.http.post("/call/waits", json={"seconds": 60}, timeout=1.0)

    def states() -> list[tuple[str, str]]:
        return list(
            client.sql("SELECT function, state FROM calls WHERE function IN ('default/waits', 'default/sleeps')").rows
        )

    eventually(lambda: sorted(states()) == [("default/sleeps", "CANCELLED"), ("default/waits", "CANCELLED")], 10)
    # The next call is served, by an executor that is free again.
    started = time.monotonic()
    rayfaas.get("sleeps").with_options(client=client).remote(0)
    assert time.monotonic() - started < 20


def test_a_deadline_holds_for_the_calls_below(client: rayfaas.Client) -> None:
    with pytest.raises(rayfaas.RayfaasError) as caught:
        rayfaas.get("hurried").with_options(client=client).remote()
    assert caught.value.code == "timeout"
    query = "SELECT state FROM calls WHERE function = 'default/sleeps' ORDER BY accepted_at DESC LIMIT 1"
    eventually(lambda: client.sql(query).rows[0][0] in ("TIMED_OUT", "CANCELLED"), 10)


def test_a_running_call_is_cancelled_by_its_id(server: Server, client: rayfaas.Client) -> None:
    ended: list[str] = []

    def call() -> None:
        try:
            rayfaas.get("sleeps").with_options(client=client).remote(60)
        except rayfaas.RayfaasError as error:
            ended.append(error.code)

    thread = threading.Thread(target=call)
    thread.start()
    query = "SELECT call::VARCHAR FROM calls WHERE function = 'default/sleeps' AND state = 'RUNNING'"
    ((call_id,),) = eventually(lambda: client.sql(query).rows)
    assert server.http.delete(f"/calls/{call_id}").status_code == 204
    thread.join(10)
    assert ended == ["cancelled"]
    assert server.http.get(f"/calls/{call_id}").json()["state"] == "CANCELLED"
    assert server.http.delete(f"/calls/{call_id}").status_code == 409
    assert server.http.get("/calls/01900000-0000-7000-8000-000000000000").status_code == 404
