"""Which functions changed: by what they are, not by how they are written."""

from __future__ import annotations

from rayfaas.definitions import changed_definitions


def test_comments_and_layout_change_nothing() -> None:
    before = {"m.py": b"import os\ndef f(a, b):\n    return a + b\n"}
    assert changed_definitions(before, {"m.py": b"import os  # why\n\ndef f(a,\n      b):\n    return (a + b)\n"}) == []


def test_what_changed_is_named_where_it_stands() -> None:
    before = {"p/__init__.py": b"X = 1\nclass C: pass", "p/m.py": b"def f(): pass\ndef g(): pass", "gone.py": b""}
    after = {"p/__init__.py": b"X = 2\nclass C: x = 1", "p/m.py": b"def f(): return\ndef h(): pass", "data.csv": b"1"}
    assert changed_definitions(before, after) == [
        "data.csv (new)",
        "gone.py (gone)",
        "p",
        "p.C",
        "p.m.f",
        "p.m.g",
        "p.m.h",
    ]


def test_what_is_no_python_is_named_as_a_file() -> None:
    deep = b"x = " + b"-" * 100_000 + b"1"
    before, after = {"a.csv": b"1", "b.py": b"(", "c.py": b""}, {"a.csv": b"2", "b.py": b")", "c.py": deep}
    assert changed_definitions(before, after) == ["a.csv", "b.py", "c.py"]
