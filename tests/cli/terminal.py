"""A shell to type commands into: the real command line, in this process, speaking to a scripted server."""

from __future__ import annotations

import io
import json
import sys
from typing import Any, NamedTuple

import pytest

from rayfaas.cli import main
from tests.scripted_server import Handler, Request, ScriptedServer


class Ended(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[list[str]]:
        """The words of each line of a table."""
        return [line.split() for line in self.out.splitlines()]


class Terminal:
    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys
        self._server: ScriptedServer | None = None

    def __call__(self, *arguments: object, stdin: str = "") -> Ended:
        self._monkeypatch.setattr(sys, "argv", ["rayfaas", *map(str, arguments)])
        self._monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as exited:
            main()
        return Ended(int(exited.value.code or 0), *self._capsys.readouterr())

    def serve(self, handler: Handler) -> None:
        """Have a server answer what is typed from now on."""
        self._server = ScriptedServer(handler)
        self._server.__enter__()
        self._monkeypatch.setenv("RAYFAAS_URL", self._server.url)
        self._monkeypatch.setenv("RAYFAAS_TOKEN", "rf_x")

    def token(self, token: str) -> None:
        """Who types from now on."""
        self._monkeypatch.setenv("RAYFAAS_TOKEN", token)

    @property
    def requests(self) -> list[Request]:
        assert self._server is not None
        return self._server.requests

    def close(self) -> None:
        if self._server is not None:
            self._server.__exit__(None, None, None)
