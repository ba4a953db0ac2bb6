"""What a dry run of a call found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rayfaas.errors import ProtocolError


@dataclass(frozen=True)
class Validation:
    """What would be called, and what was checked of the call: `target`, `rights`, `body` and, where an executor is up,
    `arguments`. `unchecked` says what was not, and why. `alias` is None where the target pins a version.
    """

    function: str
    version: int
    alias: str | None
    checked: tuple[str, ...]
    unchecked: Mapping[str, str]

    @classmethod
    def from_answer(cls, answer: Any) -> Validation:
        """Raises `ProtocolError`: a server that knows no dry runs has run the call."""
        match answer:
            case {"function": str(function), "version": int(version), "checked": list(checked)}:
                alias, unchecked = answer.get("alias"), answer.get("unchecked")
                told = unchecked if isinstance(unchecked, dict) else {}
                return cls(function, version, alias, tuple(checked), told)
        raise ProtocolError("The server knows no dry runs, so it may have run the call. Is it an older one?")
