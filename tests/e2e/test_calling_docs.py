"""docs/calling.md does what it says, in this Python and in every other that is on this machine and that it is for."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import Server

ROOT = Path(__file__).parents[2]
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
UV = Path(sys.executable).with_name("uv")

UNPICKLED = """
import rayfaas
class Recipe: pass
try:
    rayfaas.get("describe_it").remote(Recipe())
except rayfaas.RayfaasError as error:
    print(error)
try:
    rayfaas.get("a_recipe").with_options(pickle=True).remote()
except rayfaas.RayfaasError as error:
    print(error)
@rayfaas.function
def typed() -> int:
    return 1
try:
    typed.deploy()
except rayfaas.RayfaasError as error:
    print(error)
"""
PICKLED = """
import rayfaas
class Recipe: pass
@rayfaas.function
def describe_it(thing):
    return type(thing).__name__
@rayfaas.function
def a_recipe():
    return Recipe()
"""


@pytest.fixture(scope="module", params=[version for version in PYTHONS if version != HERE])
def other(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another Python with the SDK in it, as a user installs it."""
    python = _find(request.param)
    if python is None:
        pytest.skip(f"there is no Python {request.param} on this machine")
    environment = tmp_path_factory.mktemp("other") / "venv"
    subprocess.run([UV, "venv", "--quiet", "--python", python, environment], check=True)
    made = environment / "bin" / "python"
    done = subprocess.run([UV, "pip", "install", "--quiet", "--python", made, ROOT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return made


def test_the_page_does_what_it_says(server: Server, tmp_path: Path) -> None:
    _do(server, Path(sys.executable), tmp_path)


def test_the_page_does_what_it_says_in_another_python(server: Server, other: Path, tmp_path: Path) -> None:
    _do(server, other, tmp_path)


def test_a_pickle_of_another_python_is_refused_in_words(server: Server, other: Path, tmp_path: Path) -> None:
    (tmp_path / "pickled.py").write_text(PICKLED)
    server.rayfaas("deploy", tmp_path / "pickled.py")
    done = subprocess.run([other, "-"], input=UNPICKLED, capture_output=True, text=True, env=server.environ)
    there = re.search(r"3\.\d+", subprocess.check_output([other, "-V"], text=True))
    assert there is not None
    sent, received, typed = done.stdout.splitlines()
    assert f"pickled by Python {there[0]} and is read by Python {HERE}" in sent
    assert f"pickled by Python {HERE} and is read by Python {there[0]}" in received
    assert "Use the same Python on both sides" in sent
    assert f"with Python {there[0]}; the server runs {HERE}. Put it in a file" in typed


def _do(server: Server, python: Path, folder: Path) -> None:
    path = f"{python.parent}{os.pathsep}{server.environ['PATH']}"
    environ = {**server.environ, "PATH": path, "URL": server.url, "TOKEN": server.token, "COLUMNS": "200"}
    done = subprocess.run(
        [python, ROOT / "tests" / "documented.py", ROOT / "docs" / "calling.md"],
        cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def _find(version: str) -> str | None:
    """A Python of this version that starts: one on the path, or one of pyenv's or uv's."""
    shelves = (f".pyenv/versions/{version}.*/bin", f".local/share/uv/python/cpython-{version}.*/bin")
    folders = [
        *os.environ["PATH"].split(os.pathsep),
        *(str(each) for shelf in shelves for each in Path.home().glob(shelf)),
    ]
    candidates = [found for folder in folders if (found := shutil.which(f"python{version}", path=folder))]
    return next(
        (each for each in candidates if subprocess.run([each, "-c", ""], capture_output=True).returncode == 0), None
    )
