"""`rayfaas deploy` says what became of each function, and exits with an error where one was not deployed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rayfaas.errors import ImportFailed, NotFound, to_problem
from tests.cli.terminal import Terminal
from tests.scripted_server import Handler, Reply, Request, answering, routes, streaming

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
            "revision": 0,
            "replaced": None,
            "environment": None,
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


def test_where_one_of_several_fails_it_is_told_what_became_of_each(rayfaas: Terminal, file: Path) -> None:
    async def second_fails(request: Request, reply: Reply) -> None:
        if request.path.startswith("/v1/functions/vision/b"):
            problem = to_problem(NotFound("Team vision has no secret 'hub'."))
            await streaming({"event": "error", "problem": problem})(request, reply)
        else:
            await deploys()(request, reply)

    rayfaas.serve(second_fails)
    code, out, err = rayfaas("deploy", file)
    assert (code, out) == (3, "")
    *each, last = err.splitlines()
    assert sorted(each) == ["b was not deployed: Team vision has no secret 'hub'.", "nlp/a:3 is live"]
    assert last == "Error: Team vision has no secret 'hub'."


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


def test_what_it_is_to_go_over_and_how_long_it_may_take_is_said(rayfaas: Terminal, file: Path) -> None:
    rayfaas.serve(deploys())
    rayfaas("deploy", file, "a", "--force", "--breaking", "--timeout", "9")
    body = rayfaas.requests[-1].json()
    assert (body["expected"], body["breaking"], body["deadline_s"]) == (None, True, 9.0)


PLAN: dict[str, Any] = {
    "function": "nlp/a",
    "alias": "live",
    "revision": 4,
    "before": {"version": 3, "revision": 4, "by": "ada", "at": "2026-11-27T10:00:00Z", "deployed": True},
    "version": None,
    "created": True,
    "starts": True,
    "bundle_known": False,
    "environment_known": True,
    "shape_known": True,
    "files": {"added": ["x.py"], "removed": [], "changed": ["cli_service.py"]},
    "settings": [{"field": "timeout_s", "before": 300.0, "after": 60.0}],
    "callers": [
        {"team": "blue", "principal": "eva", "method": None, "calls": 1200, "last": "2026-11-27T10:00:00+00:00"}
    ],
    "expected": {"seconds": 0.1234, "deploys": 7, "of": "function"},
}


def test_a_plan_is_told_and_changes_nothing(rayfaas: Terminal, file: Path) -> None:
    rayfaas.serve(routes({"GET /v1/whoami": {"team": "nlp"}, "POST /v1/functions/nlp/a/plan": PLAN}))
    code, out, err = rayfaas("deploy", file, "a", "--plan")
    assert (code, err) == (0, "")
    assert out.startswith("nlp/a@live: version 3, by ada ")
    for told in (
        "files        added x.py; changed cli_service.py",
        "settings     timeout_s 300 → 60",
        "shape        the same",
        "reused       environment",
        "callers      1,200 calls in 30 days",
        "eva (blue), 1,200 calls",
        "expected     0.12 s, the median of the last 7 deploys of this function",
    ):
        assert told in out
    assert [request.method for request in rayfaas.requests] == ["GET", "POST"]
    assert set(rayfaas.requests[-1].json()["files"]) == {"cli_service.py"}
    assert rayfaas("deploy", file, "a", "--plan", "--json").json == [PLAN]


def test_a_deploy_after_a_plan_is_made_from_what_the_plan_saw(rayfaas: Terminal, file: Path) -> None:
    async def handler(request: Request, reply: Reply) -> None:
        await (answering(PLAN) if request.path.endswith("/plan") else deploys())(request, reply)

    rayfaas.serve(handler)
    rayfaas("deploy", file, "a", "--plan", "--team", "core")
    rayfaas("deploy", file, "a", "--team", "core")
    assert rayfaas.requests[-1].json()["expected"] == 4


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"before": None}, "a new version, the first that it leads to"),
        ({"version": 3, "created": False, "starts": False}, "nothing changes, it leads to version 3 already"),
        ({"version": 2, "created": False, "starts": False}, "→ version 2, which has this content"),
        ({"expected": {"seconds": None, "deploys": 0, "of": "all"}}, "not known, there was no such deploy yet"),
        ({"callers": []}, "none in 30 days"),
    ],
)
def test_plans_of_all_kinds_are_told(rayfaas: Terminal, file: Path, changes: dict[str, Any], told: str) -> None:
    rayfaas.serve(routes({"POST /v1/functions/core/a/plan": {**PLAN, **changes}}))
    assert told in rayfaas("deploy", file, "a", "--plan", "--team", "core").out
