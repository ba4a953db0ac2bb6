"""What differs between two versions."""

from __future__ import annotations

from rayfaas.changes import Change, FileChanges, changes
from rayfaas.spec import Shape, Spec


def test_settings_are_compared_by_their_names() -> None:
    before = Spec(timeout_s=5, shape=Shape(env={"A": "1", "B": "2"})).model_dump(mode="json")
    after = Spec(timeout_s=6, shape=Shape(gpus=1, env={"B": "3"})).model_dump(mode="json")
    assert changes(before, after) == [
        Change("shape.env.A", "1", None),
        Change("shape.env.B", "2", "3"),
        Change("shape.gpus", 0.0, 1.0),
        Change("timeout_s", 5.0, 6.0),
    ]
    assert changes(before, before) == []


def test_files_are_added_removed_or_changed() -> None:
    found = FileChanges.between({"a": 1, "b": 1, "same": 1}, {"b": 2, "c": 1, "same": 1})
    assert found == FileChanges(("c",), ("a",), ("b",))
    assert found
    assert not FileChanges.between({"a": 1}, {"a": 1})
