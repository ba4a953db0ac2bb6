"""All that a module may import of its project is found, without running any of it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from rayfaas.errors import BadRequest, ImportFailed
from rayfaas.modules import import_closure, imported_modules, outside_imports
from rayfaas.project import Project


def write(root: Path, **files: str) -> None:
    """`app__models=…` is app/models.py, and `app__init=…` app/__init__.py."""
    for name, content in files.items():
        *folders, last = name.split("__")
        path = root.joinpath(*folders, "__init__.py" if last == "init" else f"{last}.py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def closure(root: Path, entry: str = "main.py") -> set[str]:
    return set(import_closure(Project(root), root / entry)) - {entry}


def test_an_import_brings_the_module_with_its_packages(tmp_path: Path) -> None:
    write(tmp_path, main="import app.models.embed", app__init="", app__models__init="", app__models__embed="")
    write(tmp_path, app__unused="", unused="")
    assert closure(tmp_path) == {"app/__init__.py", "app/models/__init__.py", "app/models/embed.py"}


def test_what_is_imported_imports_in_turn(tmp_path: Path) -> None:
    write(tmp_path, main="import a", a="from b import x", b="import c as d", c="x = 1")
    assert closure(tmp_path) == {"a.py", "b.py", "c.py"}


def test_modules_that_import_each_other_are_read_once(tmp_path: Path) -> None:
    write(tmp_path, main="import a", a="import b\nimport main", b="import a\nimport b")
    assert closure(tmp_path) == {"a.py", "b.py"}


def test_a_name_imported_from_a_package_may_be_a_module(tmp_path: Path) -> None:
    write(tmp_path, main="from app import tools, VERSION", app__init="VERSION = 1", app__tools="")
    assert closure(tmp_path) == {"app/__init__.py", "app/tools.py"}


@pytest.mark.parametrize(
    "statement",
    [
        "def f():\n    import lazy",
        "try:\n    import lazy\nexcept ImportError:\n    pass",
        "if False:\n    import lazy",
        "class C:\n    import lazy",
        "f = lambda: __import__('lazy')",
        "import importlib\nx = importlib.import_module('lazy')",
        "from importlib import import_module\nasync def f():\n    import_module('lazy')",
        "match 1:\n    case 1:\n        import lazy",
        "async def f():\n    async with x:\n        from lazy import y",
    ],
)
def test_imports_are_found_wherever_they_stand(tmp_path: Path, statement: str) -> None:
    write(tmp_path, main=statement, lazy="")
    assert closure(tmp_path) == {"lazy.py"}


@pytest.mark.parametrize("statement", ["import_module(name)", "import_module()", "load('lazy')", "'import lazy'"])
def test_what_only_looks_like_an_import_is_none(tmp_path: Path, statement: str) -> None:
    write(tmp_path, main=statement, lazy="")
    assert closure(tmp_path) == set()


@pytest.mark.parametrize(
    ("statement", "brought"),
    [
        ("from . import sibling", "app/sub/sibling.py"),
        ("from .sibling import x", "app/sub/sibling.py"),
        ("from .. import upper", "app/upper.py"),
        ("from ..upper import x", "app/upper.py"),
        ("import importlib\nimportlib.import_module('.sibling', __package__)", "app/sub/sibling.py"),
    ],
)
def test_relative_imports_start_from_the_package(tmp_path: Path, statement: str, brought: str) -> None:
    write(tmp_path, app__init="", app__upper="", app__sub__init="", app__sub__sibling="", app__sub__entry=statement)
    found = closure(tmp_path, "app/sub/entry.py")
    assert found == {"app/__init__.py", "app/sub/__init__.py", brought}


def test_a_relative_import_in_an_init_starts_from_that_package(tmp_path: Path) -> None:
    write(tmp_path, main="import app", app__init="from .models import x", app__models="x = 1", models="")
    assert closure(tmp_path) == {"app/__init__.py", "app/models.py"}


def test_a_relative_import_that_leaves_the_project_brings_nothing(tmp_path: Path) -> None:
    statements = "from .. import secret\nfrom ...x import y\nfrom .x.y import z"
    write(tmp_path, secret="", x="", project__main=statements, project__secret="", project__x__y="")
    assert set(import_closure(Project(tmp_path / "project"), tmp_path / "project/main.py")) == {"main.py", "x/y.py"}


def test_a_star_import_brings_every_module_of_the_package(tmp_path: Path) -> None:
    write(tmp_path, main="from app import *", app__init="__all__ = ['a', 'b']", app__a="", app__b="import c", c="")
    assert closure(tmp_path) == {"app/__init__.py", "app/a.py", "app/b.py", "c.py"}


def test_packages_without_init_are_followed(tmp_path: Path) -> None:
    write(tmp_path, main="import ns.tools\nfrom ns import other", ns__tools="", ns__other="", ns__unused="")
    assert closure(tmp_path) == {"ns/tools.py", "ns/other.py"}


def test_the_entrys_own_packages_are_part_of_it(tmp_path: Path) -> None:
    write(tmp_path, app__init="import settings", app__main="", settings="")
    assert closure(tmp_path, "app/main.py") == {"app/__init__.py", "settings.py"}


def test_installed_packages_and_the_standard_library_stay_where_they_are(tmp_path: Path) -> None:
    write(tmp_path, main="import json, numpy\nfrom pydantic import BaseModel\nimport rayfaas.spec\nimport app.json")
    write(tmp_path, app__init="", app__json="")
    assert closure(tmp_path) == {"app/__init__.py", "app/json.py"}


def test_an_installed_package_brings_itself_and_not_its_neighbours(tmp_path: Path) -> None:
    site = tmp_path / "site-packages"
    write(site, mine__init="", mine__main="import mine.tools\nimport neighbour", mine__tools="", neighbour="")
    assert set(import_closure(Project(site), site / "mine/main.py")) == {
        "mine/__init__.py",
        "mine/main.py",
        "mine/tools.py",
    }


def test_a_local_module_with_the_name_of_one_of_the_standard_library_is_refused(tmp_path: Path) -> None:
    write(tmp_path, main="import helpers", helpers="import random", random="")
    with pytest.raises(BadRequest, match="Rename it"):
        closure(tmp_path)


def test_an_imported_file_that_does_not_parse_is_named(tmp_path: Path) -> None:
    write(tmp_path, main="import broken", broken="x = (\n")
    with pytest.raises(ImportFailed, match=r"broken\.py:1 does not parse"):
        closure(tmp_path)


def test_an_imported_link_that_leads_outside_is_refused(tmp_path: Path) -> None:
    write(tmp_path, secret="KEY = 1", project__main="import link")
    (tmp_path / "project/link.py").symlink_to(tmp_path / "secret.py")
    with pytest.raises(BadRequest, match="is outside of"):
        import_closure(Project(tmp_path / "project"), tmp_path / "project/main.py")


def test_included_python_files_bring_what_they_import_and_data_files_are_not_parsed(tmp_path: Path) -> None:
    write(tmp_path, main="", plugin="import helper", helper="")
    (tmp_path / "labels.json").write_text("import nothing (")
    found = import_closure(Project(tmp_path), tmp_path / "main.py", [tmp_path / "plugin.py", tmp_path / "labels.json"])
    assert set(found) == {"main.py", "plugin.py", "helper.py", "labels.json"}


def test_nothing_is_run(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    write(tmp_path, main=f"open({str(witness)!r}, 'w')\nimport other", other="raise SystemExit")
    assert closure(tmp_path) == {"other.py"}
    assert not witness.exists()


def test_dotted_names_are_of_all_that_may_be_modules() -> None:
    tree = ast.parse("import a.b as c, d\nfrom e.f import g as h\nfrom i import *")
    assert sorted(set(imported_modules(tree, ""))) == ["a.b", "d", "e.f", "e.f.g", "i", "i.*"]


def test_only_packages_that_load_with_the_module_are_outside_imports(tmp_path: Path) -> None:
    write(
        tmp_path,
        main="from typing import TYPE_CHECKING\nimport helper, json\nimport numpy.linalg\nif TYPE_CHECKING:\n"
        "    import torch\nelse:\n    import scipy\ndef f():\n    import sklearn\nclass C:\n    import PIL",
        helper="import pandas as pd\nfrom . import x\nimport main",
    )
    found = outside_imports(Project(tmp_path), "main")
    assert sorted(found) == ["PIL", "numpy.linalg", "pandas", "scipy"]


def test_outside_imports_of_a_package_are_those_of_its_init_too(tmp_path: Path) -> None:
    write(tmp_path, app__init="import numpy", app__main="import pandas")
    assert outside_imports(Project(tmp_path), "app.main") == ["numpy", "pandas"]
