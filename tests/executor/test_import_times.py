"""What an import costs is told by installed package, and the import is what it would be without the clock."""

from __future__ import annotations

import importlib
import importlib.resources
import inspect
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rayfaas.executor import import_times
from rayfaas.executor.import_times import HEAVY_MS, ImportTimes

SLOW = f"from rayfaas.executor import import_times\nimport_times.time.now += {HEAVY_MS * 1.5 / 1000}\n"
_numbers = itertools.count()


class Clock:
    """Stands still, but where a module is slow."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_times, "time", Clock())


class Installed:
    """A folder of packages with names that are new to this process; `{n}` in names and code stands for what is new."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._number = folder, next(_numbers)
        folder.mkdir(parents=True)

    def name(self, template: str) -> str:
        return template.replace("{n}", f"rf{self._number}")

    def write(self, path: str, code: str) -> None:
        file = self._folder / self.name(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(self.name(code))


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installed]:
    before = set(sys.modules)
    folder = tmp_path / "site-packages"
    monkeypatch.syspath_prepend(folder)
    yield Installed(folder)
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_an_installed_package_that_takes_long_is_heavy(installed: Installed) -> None:
    installed.write("slow_{n}.py", SLOW)
    installed.write("quick_{n}.py", "")
    with ImportTimes() as times:
        importlib.import_module(installed.name("slow_{n}"))
        importlib.import_module(installed.name("quick_{n}"))
    assert set(times.heavy()) == {installed.name("slow_{n}")}
    assert times.heavy()[installed.name("slow_{n}")] >= HEAVY_MS


def test_a_package_pays_for_what_it_imports_itself(installed: Installed) -> None:
    installed.write("outer_{n}/__init__.py", "import inner_{n}")
    installed.write("inner_{n}.py", SLOW)
    with ImportTimes() as times:
        importlib.import_module(installed.name("outer_{n}"))
    assert times.modules() == [installed.name("inner_{n}"), installed.name("outer_{n}")]


def test_all_modules_of_a_heavy_package_are_told_in_their_order_and_nothing_else(installed: Installed) -> None:
    installed.write("big_{n}/__init__.py", SLOW + "from big_{n} import b, a\nimport quick_{n}")
    installed.write("big_{n}/a.py", "")
    installed.write("big_{n}/b.py", "import big_{n}.deep.c")
    installed.write("big_{n}/deep/__init__.py", "")
    installed.write("big_{n}/deep/c.py", "")
    installed.write("quick_{n}.py", "")
    with ImportTimes() as times:
        importlib.import_module(installed.name("big_{n}"))
    names = ["big_{n}.deep", "big_{n}.deep.c", "big_{n}.b", "big_{n}.a", "big_{n}"]
    assert times.modules() == [installed.name(name) for name in names]


def test_the_users_own_modules_are_never_heavy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_slow_module.py").write_text(SLOW)
    monkeypatch.syspath_prepend(tmp_path)
    with ImportTimes() as times:
        importlib.import_module("own_slow_module")
    del sys.modules["own_slow_module"]
    assert times.heavy() == {}
    assert times.modules() == []


def test_what_was_loaded_before_costs_nothing(installed: Installed) -> None:
    installed.write("slow_{n}.py", SLOW)
    importlib.import_module(installed.name("slow_{n}"))
    with ImportTimes() as times:
        importlib.import_module(installed.name("slow_{n}"))
    assert times.heavy() == {}


def test_an_import_that_fails_fails_as_it_would_and_can_be_tried_again(installed: Installed) -> None:
    installed.write("bad_{n}.py", "import sys\nif not hasattr(sys, 'rf_good'): raise ValueError('bad')")
    with ImportTimes():
        with pytest.raises(ValueError, match="bad"):
            importlib.import_module(installed.name("bad_{n}"))
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module(installed.name("missing_{n}"))
        assert installed.name("bad_{n}") not in sys.modules
        installed.write("bad_{n}.py", "VALUE = 'a longer text, so that it is not taken from the cache'")
        importlib.import_module(installed.name("bad_{n}"))


def test_a_module_is_as_if_nobody_had_looked(installed: Installed) -> None:
    installed.write("plain_{n}/__init__.py", "VALUE = 1")
    installed.write("plain_{n}/data.txt", "data")
    with ImportTimes():
        module = importlib.import_module(installed.name("plain_{n}"))
    assert module.__spec__ is not None
    assert type(module.__loader__).__module__.startswith("_frozen_importlib")
    assert module.__spec__.loader is module.__loader__
    assert inspect.getsource(module) == "VALUE = 1\n"
    assert importlib.resources.files(module).joinpath("data.txt").read_text() == "data"
    assert importlib.reload(module) is module


def test_the_clock_is_taken_away_again_also_where_the_import_raised() -> None:
    before = list(sys.meta_path)
    times = ImportTimes()
    with pytest.raises(SystemExit), times:
        raise SystemExit
    assert sys.meta_path == before
