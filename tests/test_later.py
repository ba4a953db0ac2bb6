"""What is loaded when it is first used, and that what starts often does not use it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from rayfaas.later import Later


def test_a_module_is_there_when_something_of_it_is_used() -> None:
    name = "wave"  # of the standard library, and nobody's
    sys.modules.pop(name, None)
    wave = Later(name)
    assert name not in sys.modules
    assert wave.Error is sys.modules[name].Error
    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = wave.no_such_thing


@pytest.mark.parametrize(
    ("program", "without"),
    [
        ("import rayfaas", ["pydantic", "httpx"]),
        ("import rayfaas.client", ["pydantic"]),
        ("import rayfaas.server.parent", ["pydantic", "httpx"]),
        ("from rayfaas.cli import main; main()", ["pydantic", "rich", "pygments"]),
    ],
)
def test_what_starts_often_loads_little(program: str, without: list[str]) -> None:
    look = f"import atexit, sys; atexit.register(lambda: print(*sys.modules)); {program}"
    done = subprocess.run([sys.executable, "-c", look, "token", "--help"], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "rayfaas" in loaded
    assert loaded.isdisjoint(without), loaded & set(without)
