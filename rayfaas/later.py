"""A module that is loaded when something of it is first used: a program that never does so does not pay for it."""

from __future__ import annotations

from importlib import import_module
from typing import Any


class Later:
    """Stands for the module `name`.

    >>> Later("json").dumps([1])
    '[1]'
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(import_module(self._name), attribute)
