"""What is said of a function's access is said to the server, and its answer in a sentence."""

from __future__ import annotations

import pytest

from tests.cli.terminal import Terminal
from tests.scripted_server import routes

CLOSED = {"function": "nlp/embed", "access": "team", "grants": ["ads", "vision"]}
OPEN = {"function": "nlp/embed", "access": "everybody", "grants": []}
PATH = "/v1/functions/nlp/embed"


@pytest.fixture
def served(rayfaas: Terminal) -> Terminal:
    rayfaas.serve(
        routes(
            {
                f"GET {PATH}/access": OPEN,
                f"PUT {PATH}/access": CLOSED,
                f"PUT {PATH}/grants/ads": CLOSED,
                f"DELETE {PATH}/grants/ads": OPEN,
            }
        )
    )
    return rayfaas


def test_access_is_shown_or_changed(served: Terminal) -> None:
    assert served("access", "nlp/embed") == (0, "nlp/embed is for everybody.\n", "")
    changed = served("access", "nlp/embed", "--team", "-m", "drafts")
    assert changed == (0, "nlp/embed is for its own team and for ads, vision.\n", "")
    assert served.requests[-1].json() == {"access": "team", "message": "drafts"}


def test_a_grant_is_given_and_taken_back(served: Terminal) -> None:
    assert served("grant", "nlp/embed", "ads", "--json").json == CLOSED
    assert served("grant", "nlp/embed", "ads", "--revoke") == (0, "nlp/embed is for everybody.\n", "")


def test_a_team_that_is_none_gets_no_grant(served: Terminal) -> None:
    assert served("grant", "nlp/embed", "No Team").code == 1
    assert served.requests == []
