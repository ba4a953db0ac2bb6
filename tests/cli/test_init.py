"""A script can tell from the exit code what went wrong, and a person from what is written to stderr."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from rayfaas import cli
from rayfaas.errors import (
    BadRequest,
    CallTimeout,
    Conflict,
    ExecutorDied,
    Forbidden,
    FunctionError,
    InvalidArguments,
    NotFound,
    QueueFull,
    RayfaasError,
    Unauthenticated,
    Unavailable,
)
from tests.cli.terminal import Terminal
from tests.scripted_server import Reply, Request, answering, refusing


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BadRequest("no"), 1),
        (Conflict("no"), 1),
        (QueueFull("no"), 1),
        (CallTimeout("no"), 1),
        (ExecutorDied("no"), 1),
        (NotFound("no"), 3),
        (Unauthenticated("no"), 4),
        (Forbidden("no"), 4),
        (Unavailable("no"), 5),
        (FunctionError("no"), 6),
        (FunctionError("no", exception="KeyError"), 6),
        (FunctionError("no", exception="OSError"), 6),
    ],
)
def test_what_the_server_refuses_has_its_exit_code(rayfaas: Terminal, error: RayfaasError, code: int) -> None:
    rayfaas.serve(refusing(error))
    assert rayfaas("functions") == (code, "", "Error: no\n")


def test_the_exit_codes_are_those_that_the_docstring_tells() -> None:
    assert cli.__doc__ is not None
    told = " ".join(cli.__doc__.split())
    codes = ("0 done", "1 failed", "2 wrong usage", "3 not found", "4 not allowed", "5 the server", "6 the called")
    for code in (*codes, "130 Ctrl-C"):
        assert code in told


def test_no_server_is_exit_code_5_with_what_to_do(rayfaas: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAYFAAS_URL", "http://127.0.0.1:9")
    code, out, err = rayfaas("functions")
    assert (code, out) == (5, "")
    assert "rayfaas up" in err


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["functions", "--nonsense"], ["alias", "f", "prod", "x"], ["call"]]
)
def test_wrong_usage_is_exit_code_2(rayfaas: Terminal, arguments: list[str]) -> None:
    code, out, err = rayfaas(*arguments)
    assert (code, out) == (2, "")
    assert "Usage: rayfaas" in err


def test_a_wrong_address_is_told_and_not_a_traceback(rayfaas: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAYFAAS_URL", "localhost:8700")
    code, _, err = rayfaas("functions")
    assert code == 1
    assert err.startswith("Error: 'localhost:8700' is not the URL of a server")


def test_each_argument_that_does_not_fit_is_told(rayfaas: Terminal) -> None:
    faults = [{"loc": ["x"], "msg": "should be a number"}, {"loc": ["y", 0], "msg": "is missing"}]
    rayfaas.serve(refusing(InvalidArguments("The arguments do not fit", errors=faults)))
    assert rayfaas("call", "f").err == "Error: The arguments do not fit\n  x: should be a number\n  y.0: is missing\n"


def test_ctrl_c_is_exit_code_130_and_no_traceback(rayfaas: Terminal) -> None:
    async def interrupt(request: Request, reply: Reply) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.Event().wait()

    rayfaas.serve(interrupt)
    assert rayfaas("functions") == (130, "", "\n")


def test_ctrl_c_before_anything_is_loaded_is_the_same(rayfaas: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "import_module", interrupted)
    assert rayfaas("functions") == (130, "", "")


def test_letters_that_the_terminal_lacks_are_written_as_escapes(rayfaas: Terminal) -> None:
    rayfaas.serve(answering({"limits": [{"kind": "team", "name": "a → b"}]}))
    environ = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    command = [sys.executable, "-m", "rayfaas", "limits"]
    done = subprocess.run(command, capture_output=True, text=True, env=environ, check=True)
    assert "a \\u2192 b" in done.stdout


def test_python_m_is_the_same_command() -> None:
    done = subprocess.run([sys.executable, "-m", "rayfaas", "--help"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Usage: rayfaas")
