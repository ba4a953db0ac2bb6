"""What looks at a library's calls changes none of them when it breaks, and says so once."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from rayfaas.executor.wrapping import Call, after, before


def broken(call: Call) -> None:
    raise AttributeError("no such thing in this release")


@pytest.mark.parametrize("wrap", [before, after])
def test_a_look_that_breaks_is_told_once_and_the_calls_go_on(
    wrap: Callable[[Any, str, Callable[[Call], None]], None], capfd: pytest.CaptureFixture[str]
) -> None:
    library = SimpleNamespace(load=lambda path: f"loaded {path}")
    wrap(library, "load", broken)
    assert [library.load("a"), library.load("b")] == ["loaded a", "loaded b"]
    assert capfd.readouterr().err == (
        "rayfaas: a call of load could not be followed: AttributeError: no such thing in this release\n"
    )


def test_a_look_before_may_change_what_is_given_and_one_after_sees_what_came_of_it() -> None:
    seen: list[Call] = []
    library = SimpleNamespace(load=lambda path: f"loaded {path}")
    before(library, "load", lambda call: call.with_argument(0, "path", "other"))
    after(library, "load", seen.append)
    assert library.load("a") == "loaded other"
    assert seen == [Call(("a",), {}, "loaded other")]
