"""Why a call was no hit, in words and as JSON."""

from __future__ import annotations

from typing import Any

from tests.cli.terminal import Terminal
from tests.scripted_server import routes

CALL, NEAREST = "01900000-0000-7000-8000-000000000001", "01900000-0000-7000-8000-000000000000"
TOLD: dict[str, Any] = {
    "call": CALL, "part": "arguments", "detail": "It was called with another text.", "nearest": NEAREST,
}  # fmt: skip


def test_the_part_that_differs_is_named(rayfaas: Terminal) -> None:
    rayfaas.serve(routes({f"GET /calls/{CALL}/why-miss": TOLD}))
    assert rayfaas("why-miss", CALL).out == (
        f"arguments: It was called with another text.\nThe nearest call is {NEAREST}.\n"
    )
    assert rayfaas("why-miss", CALL, "--json").json == TOLD


def test_without_a_nearest_call_there_is_one_line(rayfaas: Terminal) -> None:
    rayfaas.serve(routes({f"GET /calls/{CALL}/why-miss": {**TOLD, "nearest": None}}))
    assert rayfaas("why-miss", CALL).out.count("\n") == 1


def test_what_is_no_call_is_wrong(rayfaas: Terminal) -> None:
    rayfaas.serve(routes({}))
    assert rayfaas("why-miss", "../v1/tokens").code != 0
    assert rayfaas.requests == []


def test_a_call_without_the_cache_says_so(rayfaas: Terminal) -> None:
    rayfaas.serve(routes({"POST /call/f": 1}))
    rayfaas("call", "--no-cache", "f")
    rayfaas("call", "f")
    assert [request.headers.get("cache-control") for request in rayfaas.requests] == ["no-cache", None]
