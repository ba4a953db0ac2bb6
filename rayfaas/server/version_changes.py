"""Which versions of a function changed when: a gateway is told of those that it lacks, not of all that there are."""

from __future__ import annotations

from typing import Any


class VersionChanges:
    """Of one function. Revisions are those of the route table.

    >>> changes = VersionChanges()
    >>> changes.take([{"number": 1}], 5)
    >>> changes.take([{"number": 1}, {"number": 2}], 6)
    >>> changes.since(5)
    ([{'number': 2}], [])
    """

    def __init__(self) -> None:
        self._versions: dict[int, tuple[int, dict[str, Any] | None]] = {}

    def take(self, versions: list[dict[str, Any]], revision: int) -> None:
        """These are all that there are, from this revision on."""
        there = {version["number"]: version for version in versions}
        for number, version in there.items():
            known = self._versions.get(number, (0, None))[1]
            if known is not version and known != version:
                self._versions[number] = (revision, version)
        for number in self._versions.keys() - there.keys():
            if self._versions[number][1] is not None:
                self._versions[number] = (revision, None)

    def since(self, revision: int) -> tuple[list[dict[str, Any]], list[int]]:
        """Those that came or changed after it, and the numbers of those that went."""
        changed = [(number, version) for number, (at, version) in self._versions.items() if at > revision]
        came = [version for _, version in changed if version is not None]
        return came, [number for number, version in changed if version is None]
