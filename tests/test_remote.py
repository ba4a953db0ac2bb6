"""A deployed function is called as one writes it: what is typed wrongly is told before anything is sent."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import rayfaas
from rayfaas import Client, RemoteFunction
from rayfaas.errors import BadRequest
from rayfaas.remote import Remote
from rayfaas.wire import PICKLE, decode_arguments
from tests.scripted_server import Reply, Request, ScriptedServer, streaming


async def echo(request: Request, reply: Reply) -> None:
    """Answers with how it was called."""
    if "respond-async" in request.headers.get("prefer", ""):
        await reply.json({"call": "id-1"}, 202)
        return
    args, kwargs = decode_arguments(request.headers["content-type"], request.body)
    await reply.json([list(args), kwargs])


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(echo) as server:
        yield server


@pytest.fixture
def embed(server: ScriptedServer) -> Iterator[RemoteFunction[..., Any]]:
    with Client(server.url, "rf_x") as client:
        yield rayfaas.get("nlp/embed").with_options(client=client)


def test_arguments_arrive_by_place_and_by_name(embed: RemoteFunction[..., Any]) -> None:
    assert embed.remote(1, [2], scale=3.5) == [[1, [2]], {"scale": 3.5}]
    assert asyncio.run(embed.aio("é", None)) == [["é", None], {}]
    assert embed.remote() == [[], {}]


def test_arguments_may_have_any_name(embed: RemoteFunction[..., Any]) -> None:
    named = {"self": 1, "target": 2, "args": 3, "kwargs": 4, "timeout_s": 5, "retries": 6}
    assert embed.remote(**named) == [[], named]
    assert asyncio.run(embed.aio(**named)) == [[], named]


@pytest.mark.parametrize("target", ["embed", "embed:7", "embed@prod", "nlp/embed", "nlp/embed:7", "nlp/embed@prod"])
def test_a_target_is_addressed_as_it_is_written(target: str, server: ScriptedServer) -> None:
    with Client(server.url, "rf_x") as client:
        rayfaas.get(target).with_options(client=client).remote()
    assert server.requests[0].target == f"/call/{target}"
    assert server.requests[0].method == "POST"


@pytest.mark.parametrize(
    "target", ["", "a b", "a/b/c", "../v1/sql", "embed?x=1", "embed#1", "embed:0", "embed:x", "embed@", "é", "embed\n"]
)
def test_what_is_no_target_is_refused_at_once(target: str) -> None:
    with pytest.raises(BadRequest, match="is not a target"):
        rayfaas.get(target)


@pytest.mark.parametrize("timeout_s", [0, -1, math.nan])
def test_a_timeout_that_is_none_is_refused_at_once(timeout_s: float) -> None:
    with pytest.raises(BadRequest, match="timeout_s must be more than 0"):
        rayfaas.get("embed", timeout_s=timeout_s)
    with pytest.raises(BadRequest, match="timeout_s must be more than 0"):
        rayfaas.get("embed").with_options(timeout_s=timeout_s)


def test_options_address_another_version_and_leave_the_function_as_it_was() -> None:
    embed = rayfaas.get("nlp/embed@prod")
    assert embed.with_options(alias="staging").target == "nlp/embed@staging"
    assert embed.with_options(version=3).target == "nlp/embed:3"
    assert embed.with_options(timeout_s=2).target == embed.target == "nlp/embed@prod"
    assert rayfaas.get("embed").with_options(version=3).with_options(alias="live").target == "embed@live"


@pytest.mark.parametrize("options", [{"alias": "a", "version": 1}, {"alias": "no spaces"}, {"version": 0}])
def test_options_that_address_nothing_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        rayfaas.get("embed").with_options(**options)


def test_options_are_kept_by_further_options_but_a_key_is_for_one_call(
    embed: RemoteFunction[..., Any], server: ScriptedServer
) -> None:
    keyed = embed.with_options(timeout_s=2.5, retries=4, idempotency_key="k")
    keyed.remote()
    keyed.with_options(alias="prod").remote()
    first, second = (request.headers for request in server.requests)
    assert (first["rayfaas-timeout"], first["rayfaas-retries"], first["idempotency-key"]) == ("2.5", "4", "k")
    assert (second["rayfaas-timeout"], second["rayfaas-retries"]) == ("2.5", "4")
    assert "idempotency-key" not in second


def test_what_is_not_said_is_not_sent(embed: RemoteFunction[..., Any], server: ScriptedServer) -> None:
    embed.remote()
    sent = [name for name in server.requests[0].headers if name.startswith(("rayfaas-", "idempotency", "prefer"))]
    assert sent == ["rayfaas-context"]
    assert server.requests[0].headers["authorization"] == "Bearer rf_x"


def test_a_spawned_call_is_known_by_its_id(embed: RemoteFunction[..., Any], server: ScriptedServer) -> None:
    spawned = embed.with_options(retries=2, idempotency_key="k").spawn(1, x=2)
    assert (spawned.id, repr(spawned)) == ("id-1", "<rayfaas.SpawnedCall id-1>")
    assert server.requests[0].headers["prefer"] == "respond-async"
    assert server.requests[0].headers["rayfaas-retries"] == "2"
    assert server.requests[0].json() == {"args": [1], "kwargs": {"x": 2}}


def test_map_passes_each_input_as_the_single_argument_and_starmap_as_all_of_them(
    embed: RemoteFunction[..., Any],
) -> None:
    assert list(embed.map([(1, 2), "ab"])) == [[[[1, 2]], {}], [["ab"], {}]]
    assert list(embed.starmap([(1, 2), ("a",), ()])) == [[[1, 2], {}], [["a"], {}], [[], {}]]


@pytest.mark.parametrize("concurrency", [0, -1])
def test_map_without_room_for_a_call_is_refused_before_an_input_is_taken(
    embed: RemoteFunction[..., Any], concurrency: int
) -> None:
    inputs = iter([1])
    with pytest.raises(BadRequest, match="concurrency must be 1 or more"):
        embed.map(inputs, concurrency=concurrency)
    assert list(inputs) == [1]


def test_what_can_not_be_sent_is_told_before_anything_is_sent(
    embed: RemoteFunction[..., Any], server: ScriptedServer
) -> None:
    with pytest.raises(rayfaas.RayfaasError, match=r"can't be sent.*can't be pickled"):
        embed.remote(threading.Lock())
    with pytest.raises(rayfaas.RayfaasError, match=r"can't be sent.*can't be pickled"):
        list(embed.stream(threading.Lock()))
    assert server.requests == []


def test_its_repr_is_its_target() -> None:
    assert repr(rayfaas.get("nlp/embed@prod")) == "<rayfaas.RemoteFunction nlp/embed@prod>"


def test_the_methods_of_a_class_are_its_attributes() -> None:
    model = rayfaas.get("nlp/Model@prod", timeout_s=3)
    assert model.predict.target == "nlp/Model.predict@prod"
    assert model.with_options(version=3).predict.target == "nlp/Model.predict:3"
    assert rayfaas.get("Model.stream").target == "Model.stream"
    for name in ("_hidden", "__wrapped__"):
        assert not hasattr(model, name)
    assert not hasattr(rayfaas.get("Model.predict"), "other")


def test_a_method_is_called_at_its_own_path(embed: Remote, server: ScriptedServer) -> None:
    assert embed.predict.remote(1) == [[1], {}]
    assert server.requests[-1].path == "/call/nlp/embed.predict"


def test_whether_a_result_may_be_a_pickle_goes_on_to_methods_and_other_options(
    embed: RemoteFunction[..., Any], server: ScriptedServer
) -> None:
    model = rayfaas.get("nlp/Model").with_options(pickle=True).with_options(client=embed._client)
    model.predict.remote()
    embed.remote()
    assert [PICKLE in request.headers["accept"] for request in server.requests] == [True, False]


def test_what_it_writes_is_written_here_as_it_comes(capsys: pytest.CaptureFixture[str]) -> None:
    logs = [{"log": {"text": "out", "stream": "stdout"}}, {"log": {"text": "err\n", "stream": "stderr"}}]
    handler = streaming(*logs, {"item": 1}, {"done": {"single": True}})
    with ScriptedServer(handler) as server, Client(server.url, "rf_x") as client:
        embed = rayfaas.get("embed").with_options(client=client)
        assert embed.with_options(logs=True).remote() == 1
        assert capsys.readouterr() == ("out\n", "err\n")
        heard: list[Any] = []
        assert asyncio.run(embed.with_options(on_log=heard.append).aio()) == 1
        assert [line["text"] for line in heard] == ["out", "err\n"]
        assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("items", [[], [[1]], [1, 2]])
def test_a_generator_whose_logs_are_wanted_is_the_list_of_its_items(items: list[Any]) -> None:
    handler = streaming(*({"item": item} for item in items), {"done": {"items": len(items)}})
    with ScriptedServer(handler) as server, Client(server.url, "rf_x") as client:
        assert rayfaas.get("embed").with_options(client=client, on_log=lambda line: None).remote() == items


def test_options_are_kept_by_further_ones_but_for_the_key(server: ScriptedServer) -> None:
    with Client(server.url, "rf_x") as client:
        embed = rayfaas.get("embed", timeout_s=3).with_options(client=client, priority="high", idempotency_key="k")
        embed.with_options(team="nlp").remote()
    headers = server.requests[0].headers
    assert (headers["rayfaas-timeout"], headers["rayfaas-priority"], headers["rayfaas-team"]) == ("3", "high", "nlp")
    assert "idempotency-key" not in headers


@pytest.mark.parametrize("options", [{"priority": "urgent"}, {"team": "No Team"}, {"webhook": "https://é"}])
def test_options_that_are_not_valid_are_refused_at_once(options: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        rayfaas.get("embed").with_options(**options)


def test_a_breakpoint_is_pythons_own() -> None:
    assert rayfaas.breakpoint is breakpoint
