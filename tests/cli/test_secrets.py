"""Secrets are typed, taken from variables or read from files; what is shown of them is names."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.terminal import Terminal
from tests.scripted_server import routes

SET_AT = "2026-11-27T23:56:55.810651Z"
LISTED = {"team": "nlp", "name": "api", "keys": ["A", "B"], "revision": 2, "set_by": "ada", "set_at": SET_AT}
WHO = {"principal": "ada", "team": "nlp", "role": "admin"}


@pytest.fixture
def served(rayfaas: Terminal) -> Terminal:
    answers = {"GET /v1/whoami": WHO, "GET /v1/secrets": {"secrets": [LISTED]}}
    rayfaas.serve(routes({**answers, "PUT /v1/secrets/nlp/api": {}, "DELETE /v1/secrets/nlp/api": {}}))
    return rayfaas


def test_values_come_from_arguments_variables_and_files(
    served: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FROM_ENV", "e")
    (tmp_path / "key.pem").write_text("line\nline\n")
    (tmp_path / ".env").write_text("# all\nexport X=1\nY = 'a=b'\n\n")
    files = ("--from-file", f"PEM={tmp_path / 'key.pem'}", "--from-file", str(tmp_path / ".env"))
    code, out, _ = served("secrets", "set", "api", "A=b=c", "--from-env", "FROM_ENV", *files, "--team", "nlp")
    assert code == 0
    assert out == "api holds A, FROM_ENV, PEM, X, Y; executors that start from now on have it.\n"
    assert served.requests[-1].json() == {
        "values": {"A": "b=c", "FROM_ENV": "e", "PEM": "line\nline\n", "X": "1", "Y": "a=b"},
        "restart": False,
    }


def test_executors_that_run_are_replaced_where_that_is_asked_for(served: Terminal) -> None:
    assert "are being replaced" in served("secrets", "set", "api", "A=b", "--restart")[1]
    assert served.requests[-1].json()["restart"] is True


@pytest.mark.parametrize("typed", [(), ("A",), ("--from-env", "NO_SUCH_VARIABLE"), ("--from-file", "/no/such/file")])
def test_what_is_no_value_is_not_sent(served: Terminal, typed: tuple[str, ...]) -> None:
    assert served("secrets", "set", "api", *typed)[0] == 2
    assert served.requests == []


def test_they_are_listed_and_deleted(served: Terminal) -> None:
    listed = served("secrets", "list")[1]
    assert ("A, B" in listed, listed.split()[-1]) == (True, "ago")
    assert served("secrets", "list", "--json").json == [LISTED]
    assert served("secrets", "delete", "api")[:2] == (0, "api is deleted.\n")


def test_a_name_that_no_secret_has_is_told_as_one(served: Terminal) -> None:
    code, _, err = served("secrets", "set", "a b", "A=b", "--team", "nlp")
    assert (code, "'a b' is not a secret's name" in err) == (1, True)
