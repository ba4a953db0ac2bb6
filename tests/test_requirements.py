"""Packages that files of a project name; what a server can't follow is refused, with what to do instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from rayfaas.declaration import Declaration
from rayfaas.errors import BadRequest
from rayfaas.requirements import read_pyproject, read_requirements


def test_comments_hashes_continuations_and_includes_are_understood(tmp_path: Path) -> None:
    (tmp_path / "base.txt").write_text("six\n")
    file = tmp_path / "requirements.txt"
    file.write_text("# all\n-r base.txt\nnumpy==2.1 \\\n    --hash=sha256:abc\n\nx @ https://e.org/x.whl  # why\n")
    assert read_requirements(file) == ["six", "numpy==2.1", "x @ https://e.org/x.whl"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("--index-url https://e.org", "the server decides"),
        ("-e .", "the server decides"),
        ("./local", "is a path on this machine"),
        ("-r requirements.txt", "includes itself"),
        ("-r missing.txt", "can't be read"),
    ],
)
def test_what_a_server_can_not_follow_is_refused(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text(text)
    with pytest.raises(BadRequest, match=why):
        read_requirements(file)


def test_a_projects_dependencies_and_extras(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "x"\ndependencies = ["six"]\n[project.optional-dependencies]\ntrain = ["numpy"]\n'
    )
    file = tmp_path / "app" / "f.py"
    assert read_pyproject(file, []) == ["six"]
    assert read_pyproject(file, ["train"]) == ["six", "numpy"]
    with pytest.raises(BadRequest, match=r"has no extra serve\. Its extras: train"):
        read_pyproject(file, ["serve"])


def test_files_are_read_from_where_the_function_is(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("six\n")
    declared = Declaration.of("f", {"packages": ["numpy"], "requirements": "requirements.txt"})
    assert declared.spec_at(tmp_path / "f.py").shape.packages == ("numpy", "six")
    with pytest.raises(BadRequest, match=r"other\.txt can't be read"):
        Declaration.of("f", {"requirements": "other.txt"}).spec_at(tmp_path / "f.py")


@pytest.mark.parametrize(("memory", "mb"), [("4GB", 4000), ("512 MB", 512), ("1GiB", 1074), ("1.5g", 1500)])
def test_memory_is_a_size(memory: str, mb: int) -> None:
    assert Declaration.of("f", {"memory": memory}).spec.shape.memory_mb == mb


@pytest.mark.parametrize(
    "options",
    [
        {"memory": "much"},
        {"packages": ["--index-url https://e.org"]},
        {"packages": ["../local"]},
        {"python": 3.12},
        {"python": "2.7"},
        {"pyproject": "train"},
        {"resources": {"tpu": 0}},
    ],
)
def test_what_is_not_valid_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(BadRequest):
        Declaration.of("f", options)
