"""`from rayfaas import *` brings what is exported, and no more."""

from __future__ import annotations

import rayfaas


def test_a_star_import_brings_all_that_is_exported() -> None:
    names: dict[str, object] = {}
    exec("from rayfaas import *", names)  # noqa: S102 a star import stands at the top of a module only
    assert set(names) - {"__builtins__"} == set(rayfaas.__all__)
