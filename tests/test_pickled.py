"""A function that is in no file travels with its code, and what can't travel is named."""

from __future__ import annotations

import pickle
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import rayfaas
from rayfaas.batching import Batching, batching_of
from rayfaas.errors import BadRequest
from rayfaas.methods import enter_methods, public_methods
from rayfaas.pickled import pickle_function, referenced_modules


def typed(text: str, name: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A variable of a `__main__` in which `text` was typed."""
    main = ModuleType("__main__")
    main.__dict__.update(rayfaas=rayfaas)
    monkeypatch.setitem(sys.modules, "__main__", main)
    exec(compile(text, "<cell>", "exec"), vars(main))  # noqa: S102 as notebooks do
    return vars(main)[name]


def there(data: bytes, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What the pickle is in a process with an empty `__main__`."""
    monkeypatch.setitem(sys.modules, "__main__", ModuleType("__main__"))
    return pickle.loads(data)


def test_a_function_brings_the_functions_classes_and_values_that_it_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "N = 2\nclass C:\n    k = 3\ndef g(x): return x * N\ndef f(x): return g(x) + C.k"
    data = pickle_function(typed(text, "f", monkeypatch))
    assert there(data, monkeypatch)(10) == 23


def test_a_decorated_function_that_it_calls_comes_along(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "@rayfaas.function(team='nlp')\ndef g(x): return x + 1\ndef f(x): return g(x), g.target"
    data = pickle_function(typed(text, "f", monkeypatch))
    assert there(data, monkeypatch)(1) == (2, "nlp/g")


def test_functions_that_call_each_other_come_along(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (
        "@rayfaas.function\ndef even(n): return n == 0 or odd(n - 1)\n"
        "@rayfaas.function\ndef odd(n): return n != 0 and even(n - 1)"
    )
    data = pickle_function(typed(text, "even", monkeypatch).fn)
    assert there(data, monkeypatch)(4) is True


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("async def f(): return 1", "coroutine"),
        ("def f(): yield 1", "generator"),
        ("async def f(): yield 1", "async_generator"),
        ("f = lambda: 1", "int"),
    ],
)
def test_every_kind_of_function_stays_what_it_is(text: str, answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    result = there(pickle_function(typed(text, "f", monkeypatch)), monkeypatch)()
    assert type(result).__name__ == answer
    if answer == "coroutine":
        result.close()


def test_what_the_function_does_not_use_stays_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "import threading\nlock = threading.Lock()\nbig = 'x' * 1_000_000\ndef f(): return 1"
    assert len(pickle_function(typed(text, "f", monkeypatch))) < 5_000


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("import threading\nlock = threading.Lock()\ndef f(): return lock", r"the variable 'lock' \(lock\)"),
        ("import sys\nframe = sys._getframe()\ndef f(): return frame", r"the variable 'frame' \(frame\)"),
        ("g = (n for n in [1])\ndef f(): return list(g)", r"the variable 'g' \(generator\)"),
    ],
)
def test_a_variable_that_can_not_travel_is_named(text: str, named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadRequest, match=rf"f is in no file, and can't be pickled either: {named}"):
        pickle_function(typed(text, "f", monkeypatch))


def test_a_variable_of_the_enclosing_function_that_can_not_travel_is_named() -> None:
    lock = threading.Lock()

    def f() -> Any:
        return lock

    with pytest.raises(BadRequest, match=r"the variable 'lock' \(lock\)"):
        pickle_function(f)


def test_a_value_that_refuses_is_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (
        "class Session:\n    def __reduce__(self): raise ValueError('open a new one')\n"
        "session = Session()\ndef f(): return session"
    )
    with pytest.raises(BadRequest, match=r"'session' \(Session\) says: open a new one"):
        pickle_function(typed(text, "f", monkeypatch))


def test_endless_nesting_is_an_error_of_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "nested = []\nfor _ in range(20_000): nested = [nested]\ndef f(): return nested"
    fn = typed(text, "f", monkeypatch)
    with pytest.raises(BadRequest, match="'nested'"):
        pickle_function(fn)


def test_modules_that_it_refers_to_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pickled_helper.py").write_text("class Encoder: ...\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    text = "import pickled_helper, json\nencoder = pickled_helper.Encoder()\ndef f(): return encoder, json.dumps(1)"
    data = pickle_function(typed(text, "f", monkeypatch))
    assert {"pickled_helper", "json"} <= referenced_modules(data)
    del sys.modules["pickled_helper"]
    assert "pickled_helper" not in referenced_modules(data)  # what is not loaded here was not needed to make it


def test_a_class_comes_along_with_what_is_said_of_its_methods(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (
        "N = 2\n@rayfaas.cls\nclass Model:\n"
        "    @rayfaas.enter\n    def load(self): self.factor = N\n"
        "    @rayfaas.batched(max_size=3)\n    def times(self, xs): return [self.factor * x for x in xs]\n"
    )
    model = there(pickle_function(typed(text, "Model", monkeypatch).wrapped), monkeypatch)
    assert (public_methods(model), enter_methods(model)) == (["times"], ["load"])
    instance = model()
    instance.load()
    assert instance.times([1, 2]) == [2, 4]
    assert batching_of(instance.times) == Batching(3)


def test_what_a_class_holds_and_can_not_be_pickled_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "import threading\nlock = threading.Lock()\nclass Model:\n    def f(self): return lock"
    with pytest.raises(BadRequest, match="the variable 'lock'"):
        pickle_function(typed(text, "Model", monkeypatch))
