"""What is installed: all packages, and no more at import than is needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = None

import pytest

import rayfaas

ROOT = Path(__file__).parent.parent
SERVER_ONLY = {"ray", "duckdb", "starlette", "uvicorn", "httpx", "rich", "click", "numpy"}


@pytest.mark.skipif(tomllib is None, reason="tomllib came with Python 3.11")
def test_every_package_is_listed_in_pyproject() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    inside = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "rayfaas").rglob("__init__.py")}
    linked = {
        ".".join(("rayfaas", *path.parent.relative_to(ROOT).parts))
        for name in ("cloud", "gateway", "registry")
        for path in (ROOT / name).rglob("__init__.py")
    }
    assert set(listed) == inside | linked


def test_the_links_lead_to_the_top_level_packages() -> None:
    for name in ("cloud", "gateway", "registry"):
        link = ROOT / "rayfaas" / name
        assert link.is_symlink()
        assert link.resolve() == ROOT / name


def test_importing_rayfaas_loads_nothing_of_the_server() -> None:
    program = "import sys, rayfaas; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not SERVER_ONLY & set(loaded)


def test_all_that_is_exported_is_there() -> None:
    assert rayfaas.__all__ == sorted(rayfaas.__all__)
    assert all(getattr(rayfaas, name) is not None for name in rayfaas.__all__)
    with pytest.raises(AttributeError, match="no attribute 'functoin'"):
        _ = rayfaas.functoin
