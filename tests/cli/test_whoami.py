"""Who asks, where, and as what."""

from __future__ import annotations

import pytest

from rayfaas.errors import Unauthenticated
from tests.cli.terminal import Terminal
from tests.scripted_server import refusing, routes

ANN = {
    "principal": "ann",
    "team": "nlp",
    "role": "deployer",
    "teams": {"nlp": "deployer", "ads": "viewer"},
    "functions": None,
}


def test_who_asks_is_told_with_the_server_and_the_roles(rayfaas: Terminal) -> None:
    rayfaas.serve(routes({"GET /v1/whoami": ANN}))
    told = rayfaas("whoami")
    assert told.code == 0
    first, *others = told.lines
    assert (first[:2], first[3:]) == (["ann", "at"], ["for", "team", "nlp"])
    assert others == [[], ["TEAM", "ROLE"], ["ads", "viewer"], ["nlp", "deployer"]]
    assert rayfaas("whoami", "--json").json == ANN


def test_a_token_for_some_functions_tells_which(rayfaas: Terminal) -> None:
    rayfaas.serve(routes({"GET /v1/whoami": {**ANN, "functions": ["nlp/embed", "nlp/rank"]}}))
    assert "for these functions only: nlp/embed, nlp/rank\n" in rayfaas("whoami").out


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_token_that_is_not_known_is_refused(rayfaas: Terminal, options: list[str]) -> None:
    rayfaas.serve(refusing(Unauthenticated("The token is not known here.")))
    assert rayfaas("whoami", *options) == (4, "", "Error: The token is not known here.\n")
