"""What was deployed comes back as it was, is the same version when it is deployed again, and writes nowhere else."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from pathlib import Path

import pytest

from rayfaas.archive import Archive
from rayfaas.bundle import bundle_file
from rayfaas.errors import BadRequest, NotFound, ProtocolError

PLAIN = {"service.py": "import rayfaas\nimport near\n@rayfaas.function\ndef f(): ...\n", "near.py": "import far\n",
         "far.py": "X = 1\n", "unused.py": ""}  # fmt: skip
PACKAGE = {
    "app/__init__.py": "",
    "app/models/__init__.py": "from .encoder import encode\n",
    "app/models/encoder.py": "from ..labels import LABELS\nencode = LABELS\n",
    "app/labels.py": "LABELS = 1\n",
    "app/service.py": "import rayfaas\nfrom app.models import encode\n@rayfaas.function\ndef f(): ...\n",
    "app/data/labels.json": "[1]",
}  # fmt: skip


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def archive(**files: bytes) -> Archive:
    return of({name.replace("__", "/"): content for name, content in files.items()})


def of(files: dict[str, bytes]) -> Archive:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as found:
        for name, content in files.items():
            found.writestr(zipfile.ZipInfo(name), content)
    return Archive(buffer.getvalue(), hashlib.sha256(buffer.getvalue()).hexdigest())


@pytest.mark.parametrize(
    ("files", "entry", "include"),
    [(PLAIN, "service.py", ()), (PACKAGE, "app/service.py", ("data/*.json",)), (PACKAGE, "app/models/__init__.py", ())],
)
def test_what_was_pulled_is_the_same_bundle_when_it_is_deployed_again(
    tmp_path: Path, files: dict[str, str], entry: str, include: tuple[str, ...]
) -> None:
    write(tmp_path / "here", files)
    first = bundle_file(tmp_path / "here" / entry, "f", include)
    written = Archive(first.archive, first.digest).unpack(tmp_path / "there")
    assert written == list(first.files)
    again = bundle_file(tmp_path / "there" / entry, "f", include)
    assert (again.digest, again.entry) == (first.digest, first.entry)


def test_files_that_were_changed_are_replaced_only_if_that_is_said(tmp_path: Path) -> None:
    found = archive(**{"a.py": b"1", "sub__b.py": b"2", "c.py": b"3"})
    (tmp_path / "a.py").write_text("1")
    (tmp_path / "c.py").write_text("mine")
    with pytest.raises(BadRequest, match=r"other content in c\.py"):
        found.unpack(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.py", "c.py"]
    assert found.unpack(tmp_path, force=True) == ["c.py", "sub/b.py"]
    assert (tmp_path / "c.py").read_text() == "3"
    assert found.unpack(tmp_path) == []


@pytest.mark.parametrize(
    "name", ["/etc/x", "../x", "a/../../x", "a/./x", "a//x", "..\\x", "a\\b", "C:/x", "a/..", "./x"]
)
def test_a_path_that_leaves_it_is_refused(name: str) -> None:
    with pytest.raises(ProtocolError, match="a path that leaves it"):
        of({name: b""})


def test_a_symbolic_link_in_it_is_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as found:
        info = zipfile.ZipInfo("link")
        info.create_system, info.external_attr = 3, 0o120777 << 16
        found.writestr(info, "/etc")
    with pytest.raises(ProtocolError, match="a symbolic link"):
        Archive(buffer.getvalue(), hashlib.sha256(buffer.getvalue()).hexdigest())


@pytest.mark.parametrize("force", [False, True])
def test_nothing_is_written_through_a_link_that_is_there(tmp_path: Path, force: bool) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    inside.mkdir()
    os.symlink(outside, inside / "sub")
    with pytest.raises(BadRequest, match="is in the way"):
        archive(sub__b=b"2").unpack(inside, force)
    assert list(outside.iterdir()) == []


def test_a_link_in_the_place_of_a_file_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "there").mkdir()
    os.symlink(tmp_path / "mine", tmp_path / "there" / "a")
    with pytest.raises(BadRequest, match="other content in a"):
        archive(a=b"mine").unpack(tmp_path / "there")
    archive(a=b"new").unpack(tmp_path / "there", force=True)
    assert ((tmp_path / "mine").read_text(), (tmp_path / "there" / "a").read_text()) == ("mine", "new")


@pytest.mark.parametrize("occupied", ["a", "sub"])
def test_what_is_in_the_way_is_told(tmp_path: Path, occupied: str) -> None:
    if occupied == "a":
        (tmp_path / "a").mkdir()
    else:
        (tmp_path / "sub").write_text("")
    with pytest.raises(BadRequest, match=f"{occupied} is in the way"):
        archive(a=b"", sub__b=b"").unpack(tmp_path, force=True)


def test_a_directory_that_can_not_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadRequest, match="can't be"):
        archive(a=b"").unpack(tmp_path / "file" / "sub")


def test_what_arrives_damaged_is_not_taken() -> None:
    with pytest.raises(ProtocolError, match="damaged"):
        Archive(b"PK", "0" * 64)
    with pytest.raises(ProtocolError, match="no ZIP archive"):
        Archive(b"PK", hashlib.sha256(b"PK").hexdigest())


def test_a_file_that_is_not_in_it_is_told_with_those_that_are() -> None:
    with pytest.raises(NotFound, match=r"There are: a\.py, b\.py"):
        archive(**{"a.py": b"", "b.py": b""}).read("c.py")


def test_a_pickle_tells_the_text_of_its_function_where_it_has_it() -> None:
    meta = b'{"python": "3.11", "source": "def f(): ...\\n"}'
    assert of({"function.pickle": b"", "function.json": meta}).notebook_source() == "def f(): ...\n"
    for other in (b"{}", b"[]", b"{", b'{"source": 3}'):
        found = of({"function.pickle": b"", "function.json": other})
        assert (found.is_pickle, found.notebook_source()) == (True, None)
