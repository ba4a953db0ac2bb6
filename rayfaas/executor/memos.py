"""What functions of the bundle with `functools.cache` keep from call to call: a model that the first one loads, say."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from typing import Any

_Memo = type(functools.cache(lambda: None))


class Memos:
    """Those at the top of the modules below `folder`."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._computed = 0

    def grew(self) -> bool:
        """Whether one of them has computed something since this was asked last."""
        before, self._computed = self._computed, sum(memo.cache_info().misses for memo in self._memos())
        return self._computed > before

    def _memos(self) -> Iterator[Any]:
        for module in list(sys.modules.values()):
            if str(getattr(module, "__file__", None)).startswith(self._folder):
                yield from (each for each in list(vars(module).values()) if isinstance(each, _Memo))
