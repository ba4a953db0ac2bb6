"""What Ray's autoscaler says of its nodes: tags, in a file that several processes of a machine may change."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_Tags = dict[str, dict[str, str]]


class NodeTags:
    """By node. A change is there in whole or not at all, whatever is killed.

    >>> NodeTags(Path("/tmp/nothing.json")).of("node-1")
    {}
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def of(self, node_id: str) -> dict[str, str]:
        return self._read().get(node_id, {})

    def update(self, node_id: str, tags: Mapping[str, str]) -> None:
        with self._changing() as all_tags:
            all_tags[node_id] = {**all_tags.get(node_id, {}), **tags}

    def forget(self, node_id: str) -> None:
        with self._changing() as all_tags:
            all_tags.pop(node_id, None)

    def _read(self) -> _Tags:
        try:
            found: _Tags = json.loads(self._file.read_text("utf-8"))
        except FileNotFoundError:
            return {}
        return found

    @contextmanager
    def _changing(self) -> Iterator[_Tags]:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            tags = self._read()
            yield tags
            new = self._file.with_suffix(".new")
            new.write_text(json.dumps(tags), "utf-8")
            os.replace(new, self._file)
