"""A token's secret is shown once, on a line of its own, and nothing is made of what is typed wrongly."""

from __future__ import annotations

import pytest

from rayfaas.errors import Forbidden
from tests.cli.terminal import Terminal
from tests.scripted_server import refusing, routes

MADE = {"id": "t1", "token": "rf_secret"}
LISTED = {
    "id": "t1",
    "name": None,
    "principal": "ci",
    "team": "nlp",
    "role": "viewer",
    "teams": {"nlp": "viewer", "ads": "invoker"},
    "functions": ["nlp/embed"],
    "created_by": "ada",
    "expires_at": None,
}


@pytest.fixture
def served(rayfaas: Terminal) -> Terminal:
    rayfaas.serve(
        routes(
            {"POST /v1/tokens": MADE, "GET /v1/tokens": {"tokens": [LISTED]}, "DELETE /v1/tokens/t1": {}}
            | {"POST /v1/tokens/lab/rotate": MADE}
        )
    )
    return rayfaas


def test_a_new_token_can_be_piped(served: Terminal) -> None:
    assert served("token", "create", "ci") == (0, "rf_secret\n", "")
    assert served("token", "create", "ci", "--json").json == MADE
    assert served.requests[0].json() == {"principal": "ci"}


def test_why_is_told(served: Terminal) -> None:
    served("token", "create", "ci", "-m", "builds")
    served("token", "rotate", "lab", "-m", "each quarter")
    served("token", "revoke", "t1", "-m", "it leaked")
    assert [each.json()["message"] for each in served.requests[:2]] == ["builds", "each quarter"]
    assert served.requests[2].target.replace("%20", "+") == "/v1/tokens/t1?message=it+leaked"


@pytest.mark.parametrize(("typed", "seconds"), [("90s", 90), ("90m", 5400), ("12h", 43200), ("30d", 2592000)])
def test_a_token_ends_when_it_is_said(served: Terminal, typed: str, seconds: int) -> None:
    served("token", "create", "ci", "--team", "nlp", "--role", "viewer", "--expires", typed)
    assert served.requests[0].json() == {"principal": "ci", "teams": {"nlp": "viewer"}, "expires_in_s": seconds}


def test_a_token_is_for_several_teams_for_named_functions_or_for_all(served: Terminal) -> None:
    served(
        "token", "create", "ci", "--team", "nlp=deployer", "--team", "ads", "--function", "nlp/embed", "--name", "lab"
    )
    assert served.requests[0].json() == {
        "principal": "ci",
        "teams": {"nlp": "deployer", "ads": "invoker"},
        "functions": ["nlp/embed"],
        "name": "lab",
    }
    served("token", "create", "ci", "--all")
    assert served.requests[1].json() == {"principal": "ci", "all": True}
    assert served("token", "create", "ci", "--team", "nlp=root").code == 2


def test_a_token_is_rotated_with_an_overlap(served: Terminal) -> None:
    assert served("token", "rotate", "lab", "--overlap", "1h") == (0, "rf_secret\n", "")
    assert served.requests[0].json() == {"overlap_s": 3600}
    served("token", "rotate", "lab", "--expires", "30d")
    assert served.requests[1].json() == {"expires_in_s": 2592000}


@pytest.mark.parametrize("typed", ["", "5", "m", "-5m", "5 m", "5M", "1e3s", "5m5s", "٣m ", "inf", "nand"])
def test_what_is_no_duration_makes_no_token(served: Terminal, typed: str) -> None:
    code, out, err = served("token", "create", "ci", "--expires", typed)
    assert (code, out) == (2, "")
    assert "is no duration" in err
    assert served.requests == []


def test_a_role_that_is_none_makes_no_token(served: Terminal) -> None:
    assert served("token", "create", "ci", "--role", "root").code == 2
    assert served.requests == []


def test_tokens_are_listed_without_secrets(served: Terminal) -> None:
    assert served("token", "list").lines[1] == ["t1", "ci", "nlp=viewer,", "ads=invoker", "nlp/embed", "ada"]
    assert served("token", "list", "--json").json == [LISTED]


def test_a_token_is_revoked_by_its_id(served: Terminal) -> None:
    assert served("token", "revoke", "t1") == (0, "t1 is revoked.\n", "")
    assert served("token", "revoke", "t2").code == 3


def test_who_may_not_is_told(rayfaas: Terminal) -> None:
    rayfaas.serve(refusing(Forbidden("This needs the role admin")))
    assert rayfaas("token", "list") == (4, "", "Error: This needs the role admin\n")
