"""`rayfaas deploy` says what became of each function, and exits with an error where one was not deployed."""

from __future__ import annotations

from pathlib import Path

import pytest

from rayfaas.errors import ImportFailed, to_problem
from tests.cli.terminal import Terminal
from tests.scripted_server import Handler, Reply, Request, answering, streaming

SERVICE = "import rayfaas\n@rayfaas.function\ndef a(): ...\n@rayfaas.function(team='vision')\ndef b(): ...\n"


def deploys(created: bool = True) -> Handler:
    async def handler(request: Request, reply: Reply) -> None:
        if request.method != "POST":
            await reply.json({"team": "nlp"})
            return
        _, _, _, team, name, _ = request.path.split("/")
        event = {"event": "live", "function": f"{team}/{name}", "version": 3, "alias": request.json()["alias"]}
        progress = {"event": "progress", "phase": "import", "detail": name}
        live = {**event, "created": created, "took_ms": 12.4, "phases": {"import": 9.0}}
        await streaming(progress, live)(request, reply)

    return handler


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "cli_service.py"
    path.write_text(SERVICE)
    return path


def test_each_function_is_told_with_its_version(rayfaas: Terminal, file: Path) -> None:
    rayfaas.serve(deploys())
    code, out, err = rayfaas("deploy", file)
    assert (code, err) == (0, "")
    assert out == "nlp/a:3 is live, after 12 ms\nvision/b:3 is live, after 12 ms\n"


def test_code_that_was_there_is_told_as_unchanged(rayfaas: Terminal, file: Path) -> None:
    rayfaas.serve(deploys(created=False))
    assert rayfaas("deploy", file, "a").out == "nlp/a:3 is live (unchanged code), after 12 ms\n"


def test_names_alias_team_and_message_are_heeded(rayfaas: Terminal, file: Path) -> None:
    rayfaas.serve(deploys())
    ended = rayfaas("deploy", file, "a", "--alias", "staging", "--team", "core", "-m", "first try", "--json")
    assert ended.json == [
        {
            "function": "core/a",
            "version": 3,
            "alias": "staging",
            "created": True,
            "took_ms": 12.4,
            "phases": {"import": 9.0},
        }
    ]
    body = next(request for request in rayfaas.requests if request.method == "POST").json()
    assert body["provenance"]["message"] == "first try"


def test_code_that_does_not_import_shows_the_users_traceback(rayfaas: Terminal, file: Path) -> None:
    problem = to_problem(ImportFailed("No module named 'x'", traceback='  File "cli_service.py", line 1'))

    async def fails(request: Request, reply: Reply) -> None:
        handler = streaming({"event": "error", "problem": problem}) if request.method == "POST" else answering({})
        await handler(request, reply)

    rayfaas.serve(fails)
    ended = rayfaas("deploy", file, "b")
    assert ended == (1, "", "  File \"cli_service.py\", line 1\nError: No module named 'x'\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def a(:\n", "cli_service.py:1 does not parse"),
        ("x = 1\n", "has no function that is decorated with @rayfaas.function"),
        ("import rayfaas\n@rayfaas.function(cpu=1)\ndef a(): ...\n", "has no option cpu"),
        ("import rayfaas\n@rayfaas.function\ndef a(): ...\na.deploy()\n", 'under `if __name__ == "__main__":`'),
        ("", "has no function"),
        ("\0", "null bytes"),
    ],
)
def test_a_file_that_is_wrong_is_told_without_asking_the_server(
    rayfaas: Terminal, file: Path, text: str, message: str
) -> None:
    rayfaas.serve(deploys())
    file.write_text(text)
    code, out, err = rayfaas("deploy", file)
    assert (code, out) == (1, "")
    assert message in err
    assert "Traceback" not in err
    assert rayfaas.requests == []


@pytest.mark.parametrize("name", ["missing.py", "."])
def test_a_file_that_is_none_is_wrong_usage(rayfaas: Terminal, tmp_path: Path, name: str) -> None:
    code, _, err = rayfaas("deploy", tmp_path / name)
    assert code == 2
    assert "does not exist" in err or "is a directory" in err


def test_a_name_that_the_file_does_not_declare_is_not_found(rayfaas: Terminal, file: Path) -> None:
    rayfaas.serve(deploys())
    code, _, err = rayfaas("deploy", file, "c")
    assert code == 3
    assert "It declares a, b." in err
