"""Both systems' code can be edited by the benchmark."""

from __future__ import annotations

import pytest

from benchmarks.edit_to_live import edited
from benchmarks.systems.system import APPS


@pytest.mark.parametrize("name", ["predict_rayfaas.py", "predict_serve.py"])
def test_an_edit_changes_the_version_and_nothing_else(name: str) -> None:
    text = (APPS / name).read_text()
    assert edited(text, 7) == text.replace("VERSION = 1", "VERSION = 7")
    assert edited(text, 7) != text


def test_code_without_a_version_is_refused() -> None:
    with pytest.raises(ValueError, match="VERSION"):
        edited("x = 1\n", 2)
