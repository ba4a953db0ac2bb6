"""Teams and protected aliases: what is typed is what the server is told."""

from __future__ import annotations

import pytest

from tests.cli.terminal import Terminal
from tests.scripted_server import routes

SINCE = "2026-11-27T10:00:00+00:00"
MEMBER = {"team": "nlp", "principal": "ann", "role": "deployer", "since": SINCE, "set_by": "root"}
TEAM = {"team": "nlp", "members": 2, "since": SINCE}
PROTECTED = {"alias": "prod", "who": ["ann", "nlp:admin"], "set_by": "root", "reason": "audited"}


@pytest.fixture
def served(rayfaas: Terminal) -> Terminal:
    members, alias = "/v1/teams/nlp/members", "/v1/functions/nlp/embed/aliases/prod/protection"
    rayfaas.serve(
        routes(
            {
                "GET /v1/teams": {"teams": [TEAM]},
                f"GET {members}": {"team": "nlp", "members": [MEMBER]},
                f"PUT {members}": MEMBER,
                f"DELETE {members}": {},
                "GET /v1/functions/nlp/embed/protections": {"protections": [PROTECTED]},
                f"PUT {alias}": {"who": ["ann", "nlp:admin"]},
                f"DELETE {alias}": {},
            }
        )
    )
    return rayfaas


def test_teams_and_their_members_are_listed(served: Terminal) -> None:
    assert served("team", "list").lines[1][:2] == ["nlp", "2"]
    assert served("team", "show", "nlp").lines[1][:2] == ["ann", "deployer"]
    assert served("team", "show", "nlp", "--json").json == [MEMBER]


def test_members_are_let_in_and_taken_out(served: Terminal) -> None:
    assert served("team", "add", "nlp", "ann", "--role", "deployer", "-m", "new") == (
        0, "ann is deployer in team nlp.\n", "",
    )  # fmt: skip
    assert served.requests[0].json() == {"role": "deployer", "message": "new"}
    assert served("team", "remove", "nlp", "ann") == (0, "ann is not in team nlp any more.\n", "")
    assert served("team", "add", "nlp", "ann", "--role", "owner").code == 2


def test_an_alias_is_protected_shown_and_free_again(served: Terminal) -> None:
    assert served("protect", "nlp/embed", "prod", "--who", "ann, nlp:admin", "-m", "audited").lines[1][0] == "prod"
    assert served.requests[0].json() == {"who": ["ann", "nlp:admin"], "message": "audited"}
    assert served("protect", "nlp/embed", "--json").json == [PROTECTED]
    assert served("protect", "nlp/embed", "prod", "--none").code == 0


@pytest.mark.parametrize("words", [["prod"], ["prod", "--who", "a", "--none"], ["--who", "a"], ["--none"]])
def test_half_of_it_is_no_command(served: Terminal, words: list[str]) -> None:
    assert served("protect", "nlp/embed", *words).code == 2
    assert served.requests == []
