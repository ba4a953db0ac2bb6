"""What is built and loaded, in a table or one by one."""

from __future__ import annotations

import pytest

from tests.cli.terminal import Terminal
from tests.scripted_server import routes

WHERE = {"cluster": "local", "node": "n" * 56, "replica": "r1", "application": "warm"}
ZYGOTE = {
    "modules": ["numpy", "numpy.linalg"],
    "cost_ms": {"numpy": 80.2},
    "refused": {"cuda": "OSError: none"},
    "pid": 1,
}
FOUND = [
    {**WHERE, "digest": "", "zygote": ZYGOTE},
    {
        **WHERE,
        "digest": "a" * 64,
        "python": "3.12",
        "packages": ["numpy==2"],
        "size_mb": 30.5,
        "used_at": 1e9,
        "zygote": None,
    },
]


@pytest.fixture
def served(rayfaas: Terminal) -> Terminal:
    rayfaas.serve(routes({"GET /v1/environments": {"environments": FOUND}}))
    return rayfaas


def test_all_are_listed(served: Terminal) -> None:
    out = served("environments").out
    assert "server" in out
    assert "aaaaaaaaaaaa" in out
    assert served("environments", "--json").json == FOUND


def test_one_is_shown_with_what_is_loaded_and_what_is_refused(served: Terminal) -> None:
    out = served("environments", "server").out
    assert "numpy: 80 ms" in out
    assert "cuda is refused: OSError: none" in out
    assert served("environments", "aaaa").out.splitlines()[0] == "numpy==2"
    assert served("environments", "bbbb").code == 1
