"""What differs between two versions of a function: files and settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Change:
    """Of one setting, by its dotted name; None is none."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True)
class FileChanges:
    """Paths of files, sorted."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]

    @classmethod
    def between(cls, before: Mapping[str, object], after: Mapping[str, object]) -> FileChanges:
        """By content, or a digest of it, of each path.

        >>> FileChanges.between({"a.py": 1, "b.py": 1}, {"b.py": 2, "c.py": 3})
        FileChanges(added=('c.py',), removed=('a.py',), changed=('b.py',))
        """
        both = before.keys() & after.keys()
        return cls(
            tuple(sorted(after.keys() - before.keys())),
            tuple(sorted(before.keys() - after.keys())),
            tuple(sorted(name for name in both if before[name] != after[name])),
        )

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """Between two objects of settings, whatever is in them, by name.

    >>> changes({"shape": {"cpus": 1.0, "gpus": 0}}, {"shape": {"cpus": 2.0, "gpus": 0}})
    [Change(field='shape.cpus', before=1.0, after=2.0)]
    """
    old, new = dict(_flat(before, "")), dict(_flat(after, ""))
    names = sorted(old.keys() | new.keys())
    return [Change(name, old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)]


def _flat(value: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, each in value.items():
        if isinstance(each, Mapping):
            yield from _flat(each, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", each
