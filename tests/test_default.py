"""Without a client given, functions speak through one: of the environment, or of the call that asks."""

from __future__ import annotations

import contextvars
import threading
from pathlib import Path

import pytest

import rayfaas
from rayfaas import Client
from rayfaas.context import Access, CallContext, enter_call
from rayfaas.default import DefaultClient
from rayfaas.errors import Unavailable
from tests.scripted_server import ScriptedServer, answering


def call_with(access: Access | None) -> CallContext:
    return CallContext(
        "c", "r", None, "t/f", 1, "ada", "t", deadline=0.0, access=None if access is None else lambda: access
    )


def test_it_is_of_the_environment_and_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAYFAAS_URL", "http://gateway:1/")
    monkeypatch.setenv("RAYFAAS_TOKEN", "rf_x")
    default = DefaultClient()
    client = default.get()
    assert (client.config.url, client.config.token) == ("http://gateway:1", "rf_x")
    assert default.get() is client


def test_nothing_is_read_before_it_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    default = DefaultClient()
    function = rayfaas.get("embed")
    monkeypatch.setenv("RAYFAAS_URL", "http://later:1")
    assert default.get().config.url == "http://later:1"
    assert function.target == "embed"


def test_in_an_executor_each_request_has_the_token_of_the_call_that_makes_it() -> None:
    default = DefaultClient()
    default.belong_to_calls()

    def in_a_call(token: str) -> Client:
        enter_call(call_with(Access(server.url, token)))
        default.get().whoami()
        return default.get()

    with ScriptedServer(answering({})) as server:
        first, second = (contextvars.copy_context().run(in_a_call, token) for token in ("rf_one", "rf_two"))
        assert [request.headers["authorization"] for request in server.requests] == ["Bearer rf_one", "Bearer rf_two"]
        assert first is second
        first.close()


@pytest.mark.parametrize("call", [None, call_with(None)])
def test_in_an_executor_code_that_answers_no_call_is_told_why_it_can_not_call(call: CallContext | None) -> None:
    default = DefaultClient()
    default.belong_to_calls()

    def ask() -> None:
        enter_call(call)
        with pytest.raises(Unavailable, match="Only code that answers a call can call other functions"):
            default.get()

    contextvars.copy_context().run(ask)


def test_an_executor_does_not_take_the_environments_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAYFAAS_TOKEN", "rf_admin")
    default = DefaultClient()
    default.belong_to_calls()
    with ScriptedServer(answering({})) as server:

        def ask() -> None:
            enter_call(call_with(Access(server.url, "rf_call")))
            default.get().whoami()
            default.get().close()

        contextvars.copy_context().run(ask)
        assert server.requests[0].headers["authorization"] == "Bearer rf_call"


def test_threads_of_a_function_call_in_its_name_when_they_run_in_its_context() -> None:
    default, told = DefaultClient(), []
    default.belong_to_calls()

    def ask() -> None:
        try:
            told.append(default.get().config.url)
        except Unavailable:
            told.append("nobody")

    def in_a_call() -> None:
        enter_call(call_with(Access("http://gateway:1", "rf_x")))
        context = contextvars.copy_context()
        for target in (ask, lambda: context.run(ask)):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()

    contextvars.copy_context().run(in_a_call)
    assert told == ["nobody", "http://gateway:1"]
