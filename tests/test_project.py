"""A project is one directory: what is in it has a name, and nothing outside of it is ever read."""

from __future__ import annotations

from pathlib import Path

import pytest

from rayfaas.errors import BadRequest, ImportFailed
from rayfaas.project import Project, SourceFile


def write(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")


def names(project: Project, module: str) -> list[str]:
    return [path.relative_to(project.root).as_posix() for path in project.files_of(module)]


def test_the_root_is_above_the_outermost_package(tmp_path: Path) -> None:
    write(tmp_path, "app/__init__.py", "app/models/__init__.py", "app/models/embed.py", "script.py")
    assert Project.of_file(tmp_path / "app/models/embed.py").root == tmp_path
    assert Project.of_file(tmp_path / "script.py").root == tmp_path


def test_the_root_of_an_imported_module_is_told_by_its_name_where_packages_have_no_init(tmp_path: Path) -> None:
    write(tmp_path, "app/models/embed.py", "app/tools/__init__.py")
    assert Project.of_module("app.models.embed", tmp_path / "app/models/embed.py").root == tmp_path
    assert Project.of_module("app.tools", tmp_path / "app/tools/__init__.py").root == tmp_path


def test_a_module_whose_name_is_not_its_path_has_the_root_of_its_file(tmp_path: Path) -> None:
    write(tmp_path, "app/embed.py")
    assert Project.of_module("other.name", tmp_path / "app/embed.py").root == tmp_path / "app"


def test_a_root_behind_a_link_is_the_real_directory(tmp_path: Path) -> None:
    write(tmp_path, "real/main.py")
    (tmp_path / "link").symlink_to("real")
    project = Project.of_file(tmp_path / "link/main.py")
    assert project.root == tmp_path / "real"
    assert project.read(tmp_path / "link/main.py").name == "main.py"


@pytest.mark.parametrize(
    ("file", "module"),
    [("main.py", "main"), ("app/__init__.py", "app"), ("app/models/embed.py", "app.models.embed")],
)
def test_a_file_has_the_name_that_it_is_imported_under(tmp_path: Path, file: str, module: str) -> None:
    assert Project(tmp_path).module_name(tmp_path / file) == module


@pytest.mark.parametrize("file", ["v1.2.py", "data.v2/main.py", "__init__.py"])
def test_a_file_that_no_name_leads_to_is_refused(tmp_path: Path, file: str) -> None:
    with pytest.raises(BadRequest, match="Rename it"):
        Project(tmp_path).module_name(tmp_path / file)


@pytest.mark.parametrize("file", ["json.py", "rayfaas.py", "asyncio/__init__.py"])
def test_a_file_that_another_module_would_be_imported_in_place_of_is_refused(tmp_path: Path, file: str) -> None:
    write(tmp_path, file)
    with pytest.raises(BadRequest, match="would be imported in its place"):
        Project(tmp_path).module_name(tmp_path / file)


def test_a_first_try_may_be_called_test_py(tmp_path: Path) -> None:
    write(tmp_path, "test.py")
    assert Project(tmp_path).module_name(tmp_path / "test.py") == "test"
    assert names(Project(tmp_path), "test") == ["test.py"]


def test_importing_a_module_runs_its_packages_first(tmp_path: Path) -> None:
    write(tmp_path, "app/__init__.py", "app/models/__init__.py", "app/models/embed.py")
    executed = ["app/__init__.py", "app/models/__init__.py", "app/models/embed.py"]
    assert names(Project(tmp_path), "app.models.embed") == executed
    assert names(Project(tmp_path), "app.models.embed.Encoder") == executed


def test_a_package_without_init_is_a_namespace(tmp_path: Path) -> None:
    write(tmp_path, "ns/inner/mod.py")
    assert names(Project(tmp_path), "ns.inner.mod") == ["ns/inner/mod.py"]
    assert names(Project(tmp_path), "ns.inner") == []


def test_a_package_wins_over_a_module_and_a_module_over_a_namespace_as_in_python(tmp_path: Path) -> None:
    write(tmp_path, "a.py", "a/__init__.py", "b.py", "b/inner.py")
    assert names(Project(tmp_path), "a") == ["a/__init__.py"]
    assert names(Project(tmp_path), "b.inner") == ["b.py"]


def test_what_is_not_the_projects_has_no_files(tmp_path: Path) -> None:
    assert names(Project(tmp_path), "numpy.linalg") == []
    assert names(Project(tmp_path), "json.decoder") == []
    assert names(Project(tmp_path), "rayfaas.spec") == []


def test_a_module_of_a_package_may_be_called_like_one_of_the_standard_library(tmp_path: Path) -> None:
    write(tmp_path, "app/__init__.py", "app/json.py", "email/template.html")
    assert names(Project(tmp_path), "app.json") == ["app/__init__.py", "app/json.py"]
    assert names(Project(tmp_path), "email") == []


def test_an_import_that_a_local_file_would_lose_to_the_standard_library_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "random.py")
    with pytest.raises(BadRequest, match=r"random\.py has the name of a module of the standard library"):
        names(Project(tmp_path), "random")


@pytest.mark.parametrize("path", ["../secret.py", "sub/../../secret.py"])
def test_a_file_outside_is_not_read(tmp_path: Path, path: str) -> None:
    write(tmp_path, "secret.py", "project/sub/x.py")
    with pytest.raises(BadRequest, match="is outside of"):
        Project(tmp_path / "project").read(tmp_path / "project" / path)


def test_a_link_that_leads_outside_is_not_read_and_the_error_says_where_it_leads(tmp_path: Path) -> None:
    write(tmp_path, "secret.py", "project/main.py")
    (tmp_path / "project/link.py").symlink_to(tmp_path / "secret.py")
    with pytest.raises(BadRequest, match=r"link\.py, which leads to .*/secret\.py, is outside"):
        Project(tmp_path / "project").read(tmp_path / "project/link.py")


def test_a_directory_that_links_outside_is_not_read(tmp_path: Path) -> None:
    write(tmp_path, "elsewhere/data.csv", "project/main.py")
    (tmp_path / "project/data").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadRequest, match="is outside of"):
        Project(tmp_path / "project").read(tmp_path / "project/data/data.csv")


def test_a_directory_whose_name_begins_like_the_root_is_outside(tmp_path: Path) -> None:
    write(tmp_path, "project/main.py", "project-secrets/key.py")
    with pytest.raises(BadRequest, match="is outside of"):
        Project(tmp_path / "project").read(tmp_path / "project-secrets/key.py")


def test_a_link_inside_is_read_under_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "real.py").write_text("x = 1")
    (tmp_path / "link.py").symlink_to("real.py")
    source = Project(tmp_path).read(tmp_path / "link.py")
    assert (source.name, source.content) == ("link.py", b"x = 1")


def test_what_can_not_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "directory.py").mkdir()
    (tmp_path / "loop.py").symlink_to("missing.py")
    for name in ("directory.py", "loop.py", "gone.py"):
        with pytest.raises(BadRequest, match=rf"{name} can't be read"):
            Project(tmp_path).read(tmp_path / name)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"x = 1\ndef f(:\n", r"m\.py:2 does not parse"),
        (b"x = 1\0\n", "null bytes"),
        (b"# coding: klingon\n", "unknown encoding"),
        (b"x = '\xff'\n", "does not parse"),
        (b"x = " + b"-" * 100_000 + b"1", "nested too deeply"),
        (b"x = f" + b"()" * 100_000, "nested too deeply"),
    ],
)
def test_a_file_that_does_not_parse_is_told_with_its_place(tmp_path: Path, content: bytes, message: str) -> None:
    source = SourceFile("m.py", tmp_path / "m.py", content)
    with pytest.raises(ImportFailed, match=message):
        _ = source.tree


def test_sources_in_other_encodings_are_understood(tmp_path: Path) -> None:
    latin = SourceFile("m.py", tmp_path / "m.py", b"# coding: latin-1\nx = '\xe9'\n")
    marked = SourceFile("m.py", tmp_path / "m.py", b"\xef\xbb\xbfx = 1\n")
    assert len(latin.tree.body) == len(marked.tree.body) == 1


def test_relative_imports_start_from_the_files_directory(tmp_path: Path) -> None:
    packages = {name: SourceFile(name, tmp_path, b"").package for name in ("m.py", "a/__init__.py", "a/b/c.py")}
    assert packages == {"m.py": "", "a/__init__.py": "a", "a/b/c.py": "a.b"}


def test_installed_packages_are_known_by_their_directory(tmp_path: Path) -> None:
    assert Project(tmp_path / "lib/site-packages").is_installed
    assert Project(tmp_path / "lib/dist-packages").is_installed
    assert not Project(tmp_path).is_installed
