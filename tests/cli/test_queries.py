"""The queries of the command line are such as the registry takes."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import pytest

from rayfaas.registry import Registry

QUERIES = sorted(file.name for file in resources.files("rayfaas.cli").iterdir() if file.name.endswith(".sql"))


@pytest.mark.parametrize("name", QUERIES)
def test_the_registry_takes_it(tmp_path: Path, name: str) -> None:
    query = resources.files("rayfaas.cli").joinpath(name).read_text("utf-8")
    registry = Registry.open(tmp_path / "registry.duckdb", tmp_path)
    parameters = [None] * len(set(re.findall(r"\$\d", re.sub(r"--.*", "", query))))
    assert registry.query(query, parameters, "nlp").columns
    registry.close()
