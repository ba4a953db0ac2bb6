"""What a client makes of odd answers, names and endings: clear words, and never an error that means something else."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import rayfaas
from rayfaas import Client
from rayfaas.cli.output import show_error, show_table
from rayfaas.config import ClientConfig
from rayfaas.declaration import Declaration
from rayfaas.errors import (
    BadRequest,
    Forbidden,
    FunctionError,
    NotFound,
    ProtocolError,
    RayfaasError,
    from_problem,
    to_problem,
)
from rayfaas.raised import error_of
from tests.scripted_server import Reply, Request, ScriptedServer, answering, refusing, streaming

F = "import rayfaas\n@rayfaas.function\ndef f(): ...\n"


def test_forbidden_arrives_as_forbidden() -> None:
    assert type(from_problem(to_problem(Forbidden("no")))) is Forbidden


@pytest.mark.parametrize("member", ["self"])
def test_a_problem_may_have_members_of_any_name(member: str) -> None:
    assert from_problem({"code": "not_found", "detail": "x", member: 1}).extra == {member: 1}


def test_a_module_that_loads_lazily_is_not_made_to(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str) -> object:
        raise ImportError("needs torch")

    module = ModuleType("raised_lazy")
    vars(module)["__getattr__"] = load
    monkeypatch.setitem(sys.modules, "raised_lazy", module)
    assert type(error_of({"code": "function_error", "detail": "x", "exception": "raised_lazy.Error"})) is FunctionError


def test_a_base_that_refuses_children_hides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Strict(Exception):
        def __init_subclass__(cls, *, tag: str = "") -> None:
            if not tag:
                raise ValueError("a tag is needed")

    module = ModuleType("raised_strict")
    vars(module)["Strict"] = Strict
    monkeypatch.setitem(sys.modules, "raised_strict", module)
    assert isinstance(
        error_of({"code": "function_error", "detail": "x", "exception": "raised_strict.Strict"}), FunctionError
    )


def test_an_error_of_ours_that_a_function_raised_is_the_functions_and_not_ours() -> None:
    error = error_of({"code": "function_error", "detail": "x", "exception": "rayfaas.errors.NotFound"})
    assert isinstance(error, FunctionError)
    assert not isinstance(error, NotFound)


@pytest.mark.parametrize(
    "name", ["concurrent.futures._base.CancelledError", "httpx.ConnectError", "httpx.ReadTimeout", "TimeoutError"]
)
def test_what_a_function_raised_is_never_taken_for_trouble_of_ours(name: str) -> None:
    error = FunctionError("it failed", exception=name)
    with ScriptedServer(refusing(error)) as server, Client(server.url, "rf_x") as client:
        for ask in (
            lambda: client.answer("f", (), {}),
            lambda: list(client.stream("f", (), {})),
            lambda: client.spawned("01900000-0000-7000-8000-000000000000").result(),
        ):
            with pytest.raises(FunctionError, match="it failed"):
                ask()


@pytest.mark.parametrize("target", ["embed#7", "embed?x", "../v1/sql", "", "a b"])
def test_a_target_is_checked_before_it_is_asked_for(target: str) -> None:
    with ScriptedServer(answering(1)) as server, Client(server.url, "rf_x") as client:
        with pytest.raises(BadRequest, match="is not a target"):
            client.answer(target, (), {})
        assert server.requests == []


ASKED = ["functions", "tokens", "whoami", "status", "sql", "spawn", "logs"]
ODD: list[Any] = [[], {}, None, 1, "x"]
# An empty object is a status, if a poor one.
ODD_ANSWERS = [(ask, odd) for ask in ASKED for odd in ODD if odd != {} or ask not in ("whoami", "status")]


@pytest.mark.parametrize(("ask", "answer"), ODD_ANSWERS)
def test_json_of_another_server_is_a_protocol_error(ask: str, answer: Any) -> None:
    arguments: dict[str, tuple[Any, ...]] = {"sql": ("SELECT 1",), "spawn": ("f", (), {})}
    with (
        ScriptedServer(answering(answer)) as server,
        Client(server.url, "rf_x") as client,
        pytest.raises(ProtocolError),
    ):
        getattr(client, ask)(*arguments.get(ask, ()))


@pytest.mark.parametrize("error", ["text", None, []])
def test_an_error_that_is_no_problem_is_a_protocol_error(error: Any) -> None:
    with (
        ScriptedServer(streaming({"error": error})) as server,
        Client(server.url, "rf_x") as client,
        pytest.raises(ProtocolError),
    ):
        client.answer("f", (), {})


@pytest.mark.parametrize("key", ["a\nb", "a\r\nX-Evil: 1", "día", "\0"])
def test_a_key_that_no_header_can_hold_is_refused_as_such(key: str) -> None:
    with ScriptedServer(answering(1)) as server, Client(server.url, "rf_x") as client:
        keyed = rayfaas.get("f").with_options(client=client, idempotency_key=key)
        with pytest.raises(BadRequest):
            keyed.remote()
        assert server.requests == []


def test_closing_while_threads_call_leaves_none_of_them_waiting() -> None:
    for _ in range(5):  # it is a race
        with ScriptedServer(answering({})) as server:
            client, begun = Client(server.url, "rf_x"), threading.Barrier(9)

            def hammer(_: int, client: Client = client, begun: threading.Barrier = begun) -> str:
                client.whoami()
                begun.wait()
                try:
                    while True:
                        client.whoami()
                except RuntimeError as refused:
                    return str(refused)

            with ThreadPoolExecutor(8) as pool:
                ends = pool.map(hammer, range(8))
                begun.wait()
                client.close()
                assert {end.partition(" closed")[1] for end in ends} == {" closed"}
    gc.collect()


async def test_closing_ends_an_awaited_call_with_the_same_words() -> None:
    asked = threading.Event()

    async def silent(_: Request, reply: Reply) -> None:
        asked.set()
        await reply.gone()

    with ScriptedServer(silent) as server:
        client = Client(server.url, "rf_x")
        task = asyncio.create_task(client.whoami.aio())
        await asyncio.to_thread(asked.wait, 10)
        await asyncio.to_thread(client.close)
        with pytest.raises(RuntimeError, match="the client was closed before the answer came"):
            await task


def test_errors_of_an_asynchronous_map_leave_no_complaint_of_asyncio(caplog: pytest.LogCaptureFixture) -> None:
    async def collect(results: Any) -> list[Any]:
        return [value async for value in results]

    with ScriptedServer(refusing(FunctionError("no"))) as server, Client(server.url, "rf_x") as client:
        f = rayfaas.get("f").with_options(client=client)
        with caplog.at_level(logging.ERROR, "asyncio"):
            assert len(asyncio.run(collect(f.map(range(3), return_exceptions=True)))) == 3
            gc.collect()
    assert caplog.records == []


def test_a_slow_call_of_an_asynchronous_map_gathers_nothing_while_others_end() -> None:
    async def slow_first(request: Request, reply: Reply) -> None:
        if request.json()["args"] == [0]:
            await reply.gone()
        else:
            await reply.json(1)

    def futures() -> int:
        gc.collect()
        return sum(isinstance(each, asyncio.Future) for each in gc.get_objects())

    async def take(results: Any) -> int:
        before = n = 0
        async for _ in results:
            n += 1
            if n == 50:
                before = futures()
            if n == 300:
                return futures() - before
        return 0

    with ScriptedServer(slow_first) as server, Client(server.url, "rf_x") as client:
        results = rayfaas.get("f").with_options(client=client).map(range(1000), concurrency=4, ordered=False)
        assert asyncio.run(take(results)) < 50


def test_the_token_is_not_shown() -> None:
    assert "rf_secret" not in repr(ClientConfig("http://x:1", "rf_secret"))


@pytest.mark.parametrize("content", ['{"url": "http', "{}", "[]", "null", "\xff"])
def test_a_server_file_that_is_no_such_file_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "server.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(RayfaasError, match=r"server\.json"):
        ClientConfig.from_env({"RAYFAAS_HOME": str(tmp_path)})


def test_a_token_file_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "token").mkdir()  # root reads every file
    with pytest.raises(RayfaasError, match="token"):
        ClientConfig.from_env({"RAYFAAS_HOME": str(tmp_path)})


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("scale_down_after_s", float("inf")),
        ("target_concurrency", float("inf")),
        ("env", {"A=B": "x"}),
        ("env", {"": "x"}),
        ("env", {"A": "a\0b"}),
    ],
)
def test_a_value_that_the_server_can_not_use_is_refused_where_it_is_written(option: str, value: Any) -> None:
    with pytest.raises(BadRequest, match=option):
        Declaration.of("f", {option: value})


def test_words_between_colons_stay_words(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(["n:key:m"], [["x:key:y"]])
    assert capsys.readouterr().out.split() == ["n:key:m", "x:key:y"]
    show_error(NotFound("no a:key:b"))
    assert capsys.readouterr().err == "Error: no a:key:b\n"
    show_error(FunctionError("no", traceback="d[':key:']\n"))
    assert capsys.readouterr().err == "d[':key:']\nError: no\n"


@pytest.mark.parametrize("name", ["EOFError", "click.exceptions.Abort", "click.exceptions.Exit"])
def test_what_a_function_raised_is_never_taken_for_an_exception_of_the_command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    from rayfaas.cli import main  # noqa: PLC0415

    with ScriptedServer(refusing(FunctionError("it failed", exception=name))) as server:
        monkeypatch.setenv("RAYFAAS_URL", server.url)
        monkeypatch.setenv("RAYFAAS_TOKEN", "rf_x")
        monkeypatch.setattr(sys, "argv", ["rayfaas", "call", "f"])
        with pytest.raises(SystemExit) as exited:
            main()
    assert (exited.value.code, capsys.readouterr().err) == (6, "Error: it failed\n")
