"""The same content is the same bundle, byte for byte, and a bundle holds all that the function needs and no more."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import random
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rayfaas
from rayfaas.bundle import MAX_BYTES, Bundle, bundle_file, bundle_function
from rayfaas.errors import BadRequest, BodyTooLarge, ImportFailed

SERVICE = "import rayfaas\nimport helper\n\n@rayfaas.function\ndef f():\n    return helper.VALUE\n"


def write(root: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)


def project(root: Path, **extra: str) -> Path:
    write(root, {"service.py": SERVICE, "helper.py": "VALUE = 1\n", **extra})
    return root / "service.py"


def unpacked(bundle: Bundle) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(bundle.archive)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


Importer = Callable[[Path, str], ModuleType]


@pytest.fixture
def imported(monkeypatch: pytest.MonkeyPatch) -> Iterator[Importer]:
    """Imports a module from a directory as a program would, and forgets it afterwards."""
    before = set(sys.modules)

    def load(root: Path, name: str) -> ModuleType:
        monkeypatch.syspath_prepend(str(root))
        return __import__(name, fromlist=["x"])

    yield load
    for name in set(sys.modules) - before:
        del sys.modules[name]


# The same content, the same bytes


def test_the_digest_is_the_sha256_of_the_archive(tmp_path: Path) -> None:
    bundle = bundle_file(project(tmp_path), "f")
    assert bundle.digest == hashlib.sha256(bundle.archive).hexdigest()
    assert bundle.files == ("helper.py", "service.py")
    assert (bundle.entry.kind, bundle.entry.module, bundle.entry.name) == ("module", "service", "f")


def test_place_order_times_and_modes_of_files_do_not_count(tmp_path: Path) -> None:
    first = project(tmp_path / "a")
    (tmp_path / "b").mkdir()
    (tmp_path / "b/helper.py").write_text("VALUE = 1\n")
    second = project(tmp_path / "b")
    os.utime(second, (1, 1))
    second.chmod(0o700)
    assert bundle_file(first, "f").archive == bundle_file(second, "f").archive


def test_another_process_with_another_hash_seed_time_zone_and_directory_makes_the_same(tmp_path: Path) -> None:
    file = project(tmp_path, **{"labels/b.json": "1", "labels/a.json": "2"})
    program = f"import pathlib, rayfaas.bundle as b; x = b.bundle_file(pathlib.Path({str(file)!r}), 'f', ['labels'])"
    here = bundle_file(file, "f", ["labels"])
    there = subprocess.run(
        [sys.executable, "-c", f"{program}; print(x.digest, x.syntax_digest)"],
        capture_output=True,
        text=True,
        cwd="/",
        env={**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "LC_ALL": "C"},
    )
    assert there.stdout.split() == [here.digest, here.syntax_digest], there.stderr


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    files=st.dictionaries(
        st.text("abcé", min_size=1, max_size=4).map(lambda name: f"data/{name}"), st.binary(max_size=20), min_size=1
    ),
    seed=st.integers(0, 99),
)
def test_content_alone_decides_and_comes_out_as_it_went_in(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], seed: int
) -> None:
    bundles = []
    for _ in range(2):
        root = tmp_path_factory.mktemp("project")
        file = project(root)
        (root / "data").mkdir()
        names = list(files)
        random.Random(seed).shuffle(names)
        for name in names:
            (root / name).write_bytes(files[name])
        bundles.append(bundle_file(file, "f", ["data/*"]))
        seed += 1
    assert bundles[0].archive == bundles[1].archive
    assert {name: content for name, content in unpacked(bundles[0]).items() if name in files} == files


@pytest.mark.parametrize(
    ("edit", "digest_changes", "syntax_changes"),
    [
        (SERVICE, False, False),
        (SERVICE + "# a comment\n", True, False),
        (SERVICE.replace("\n\n", "\n\n\n\n"), True, False),
        (SERVICE.replace("helper.VALUE", "(helper . VALUE)"), True, False),
        (SERVICE.replace("def f():", 'def f():\n    "docstring"'), True, True),
        (SERVICE.replace("helper.VALUE", "helper.OTHER"), True, True),
    ],
)
def test_comments_and_layout_change_the_digest_but_not_the_syntax_digest(
    tmp_path: Path, edit: str, digest_changes: bool, syntax_changes: bool
) -> None:
    file = project(tmp_path)
    before = bundle_file(file, "f")
    file.write_text(edit)
    after = bundle_file(file, "f")
    assert (after.digest != before.digest) is digest_changes
    assert (after.syntax_digest != before.syntax_digest) is syntax_changes


def test_data_and_names_of_files_count_in_both_digests(tmp_path: Path) -> None:
    file = project(tmp_path, **{"d/a.txt": "1"})
    first = bundle_file(file, "f", ["d/*"])
    (tmp_path / "d/a.txt").write_text("2")
    second = bundle_file(file, "f", ["d/*"])
    (tmp_path / "d/a.txt").rename(tmp_path / "d/b.txt")
    third = bundle_file(file, "f", ["d/*"])
    assert len({each.digest for each in (first, second, third)}) == 3
    assert len({each.syntax_digest for each in (first, second, third)}) == 3


def test_a_change_in_an_imported_module_is_a_change(tmp_path: Path) -> None:
    file = project(tmp_path)
    before = bundle_file(file, "f")
    (tmp_path / "helper.py").write_text("VALUE = 2\n")
    assert bundle_file(file, "f").digest != before.digest


def test_a_file_that_is_not_imported_does_not_count(tmp_path: Path) -> None:
    before = bundle_file(project(tmp_path), "f")
    write(tmp_path, {"notes.py": "import nothing (", "data.csv": "1"})
    assert bundle_file(tmp_path / "service.py", "f").digest == before.digest


def test_the_archive_does_not_hold_its_bytes_in_its_repr(tmp_path: Path) -> None:
    assert len(repr(bundle_file(project(tmp_path), "f"))) < 1000


# Data files


def test_a_glob_and_a_directory_bring_their_files_without_caches(tmp_path: Path) -> None:
    data = {"d/a.json": "1", "d/sub/b.json": "2", "d/__pycache__/c.pyc": "3", "e.txt": "4"}
    file = project(tmp_path, **data)
    brought = set(bundle_file(file, "f", ["d", "*.txt"]).files)
    assert brought == {"service.py", "helper.py", "d/a.json", "d/sub/b.json", "e.txt"}


def test_globs_start_from_the_functions_directory_and_may_reach_the_whole_project(tmp_path: Path) -> None:
    write(tmp_path, {"app/__init__.py": "", "app/service.py": "import rayfaas\n", "labels.json": "1"})
    assert "labels.json" in bundle_file(tmp_path / "app/service.py", "f", ["../labels.json"]).files


@pytest.mark.parametrize("glob", ["nothing/*", "", ".", "/etc/passwd", "***", "d/missing.json"])
def test_a_glob_that_brings_nothing_or_is_none_is_named(tmp_path: Path, glob: str) -> None:
    with pytest.raises(BadRequest, match="include="):
        bundle_file(project(tmp_path, **{"d/a.json": "1"}), "f", [glob])


@pytest.mark.parametrize("glob", ["../secret.txt", "d/../../secret.txt", "../*", "link.txt", "linked"])
def test_no_glob_brings_a_file_from_outside(tmp_path: Path, glob: str) -> None:
    write(tmp_path, {"secret.txt": "key", "vault/key.txt": "key"})
    file = project(tmp_path / "project", **{"d/a.json": "1"})
    (tmp_path / "project/link.txt").symlink_to(tmp_path / "secret.txt")
    (tmp_path / "project/linked").symlink_to(tmp_path / "vault")
    with pytest.raises(BadRequest, match="is outside of"):
        bundle_file(file, "f", [glob])


def test_big_data_is_refused_before_it_is_read_and_the_largest_file_is_named(tmp_path: Path) -> None:
    file = project(tmp_path, **{"small.bin": "1"})
    with (tmp_path / "model.bin").open("wb") as sparse:
        sparse.truncate(1 << 40)  # more than memory holds
    with pytest.raises(BodyTooLarge, match=r"the limit is 256 MiB; its largest file is .*model\.bin") as caught:
        bundle_file(file, "f", ["*.bin"])
    assert caught.value.extra == {"limit": MAX_BYTES}
    (tmp_path / "model.bin").unlink()


def test_an_included_file_that_does_not_parse_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImportFailed, match=r"plugin\.py:1"):
        bundle_file(project(tmp_path, **{"plugin.py": "x = ("}), "f", ["plugin.py"])


def test_a_file_that_deploys_itself_on_import_is_refused(tmp_path: Path) -> None:
    file = project(tmp_path)
    file.write_text(SERVICE + "f.deploy()\n")
    with pytest.raises(BadRequest, match="whenever the file is imported"):
        bundle_file(file, "f")


# Functions of this program


def test_an_imported_function_is_bundled_as_its_file_is_now(tmp_path: Path, imported: Importer) -> None:
    file = project(tmp_path)
    module = imported(tmp_path, "service")
    file.write_text(SERVICE + "# edited since\n")
    bundle = bundle_function(module.f)
    assert bundle == bundle_file(file, "f")
    assert unpacked(bundle)["service.py"].endswith(b"# edited since\n")


def test_a_function_of_a_package_without_init_keeps_its_modules_name(tmp_path: Path, imported: Importer) -> None:
    write(tmp_path, {"nspkg/sub/service.py": "import rayfaas\n@rayfaas.function\ndef f(): ...\n"})
    bundle = bundle_function(imported(tmp_path, "nspkg.sub.service").f)
    assert (bundle.entry.module, bundle.files) == ("nspkg.sub.service", ("nspkg/sub/service.py",))


def test_a_function_is_found_under_the_name_that_its_module_holds_it_under(tmp_path: Path, imported: Importer) -> None:
    write(tmp_path, {"renamed.py": "import rayfaas\ndef _f(): ...\nservice = rayfaas.function(name='x')(_f)\n"})
    assert bundle_function(imported(tmp_path, "renamed").service).entry.name == "service"


def test_a_plain_function_decorated_elsewhere_is_its_own_file(tmp_path: Path, imported: Importer) -> None:
    write(tmp_path, {"plain.py": "def f(): ...\n"})
    module = imported(tmp_path, "plain")
    bundle = bundle_function(rayfaas.function(module.f))
    assert (bundle.entry.kind, bundle.entry.module, bundle.entry.name) == ("module", "plain", "f")


def test_a_wrapped_function_is_found_by_what_it_wraps(tmp_path: Path, imported: Importer) -> None:
    text = "import functools, rayfaas\n@rayfaas.function\n@functools.lru_cache\ndef f(): ...\n"
    write(tmp_path, {"cached.py": text})
    assert bundle_function(imported(tmp_path, "cached").f).entry.kind == "module"


def run(arguments: list[str], cwd: Path, program: str | None = None) -> dict[str, Any]:
    """What a program that prints its bundle says: entry and files."""
    done = subprocess.run(
        [sys.executable, *arguments],
        input=program,
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONSAFEPATH": ""},
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


TELL = (
    "from rayfaas.bundle import bundle_function\nimport json, base64\n"
    "b = bundle_function(f)\n"
    "print(json.dumps({**b.entry.model_dump(), 'files': b.files, 'archive': base64.b64encode(b.archive).decode()}))\n"
)


@pytest.mark.parametrize(
    ("arguments", "module"),
    [(["app/service.py"], "app.service"), (["-m", "app"], "app.__main__")],
)
def test_a_script_is_bundled_under_the_name_that_it_is_imported_under(
    tmp_path: Path, arguments: list[str], module: str
) -> None:
    text = "import rayfaas\n@rayfaas.function\ndef f(): ...\nif __name__ == '__main__':\n"
    text += "".join(f"    {line}\n" for line in TELL.splitlines())
    write(tmp_path, {"app/__init__.py": "", "app/service.py": text, "app/__main__.py": text})
    found = run(arguments, tmp_path)
    assert (found["kind"], found["module"]) == ("module", module)


REPL = """
import rayfaas
from dataclasses import dataclass
import near

SCALE = 3

@dataclass
class Point:
    x: int

def scaled(x):
    return near.offset(x * SCALE)

@rayfaas.function
def helper(x: int) -> int:
    return scaled(x)

@rayfaas.function
def f(x: int) -> int:
    return Point(helper(x)).x
"""


def test_what_is_typed_into_a_shell_carries_its_code_and_the_local_modules_it_uses(tmp_path: Path) -> None:
    write(tmp_path, {"near.py": "import far\ndef offset(x):\n    return x + far.ONE\n", "far.py": "ONE = 1\n"})
    found = run(["-"], tmp_path, REPL + TELL)
    assert (found["kind"], found["name"]) == ("pickle", "f")
    assert set(found["files"]) == {"function.pickle", "function.json", "near.py", "far.py"}
    # It runs in a process that has nothing but the bundle.
    program = (
        "import base64, io, json, pickle, sys, zipfile\n"
        f"zipfile.ZipFile(io.BytesIO(base64.b64decode({found['archive']!r}))).extractall('there')\n"
        "sys.path.insert(0, 'there')\n"
        "f = pickle.load(open('there/function.pickle', 'rb'))\n"
        "print(json.dumps({'result': f(5), 'python': json.load(open('there/function.json'))['python']}))\n"
    )
    (tmp_path / "elsewhere").mkdir()
    answer = run(["-"], tmp_path / "elsewhere", program)
    assert answer == {"result": 16, "python": ".".join(map(str, sys.version_info[:2]))}


def test_a_shells_functions_pickle_to_the_same_bytes_in_another_session(tmp_path: Path) -> None:
    program = "import rayfaas\nN = [1]\ndef g(): return N\n@rayfaas.function\ndef f(): return g()\n" + TELL
    first, second = (run(["-"], tmp_path, program)["archive"] for _ in range(2))
    assert first == second


def executed(text: str, name: str) -> Any:
    scope: dict[str, Any] = {"__name__": "nowhere", "rayfaas": rayfaas}
    exec(compile(text, "<cell>", "exec"), scope)  # noqa: S102 as notebooks do
    return scope[name]


def test_what_exec_defines_is_carried_by_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    bundle = bundle_function(executed("N = 4\n@rayfaas.function\ndef f(x): return x + N", "f"))
    assert (bundle.entry.kind, bundle.path, bundle.files) == ("pickle", tmp_path, ("function.json", "function.pickle"))
    assert pickle.loads(unpacked(bundle)["function.pickle"])(1) == 5


def test_a_function_made_inside_of_another_carries_what_it_closes_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def adder(n: int) -> rayfaas.Function[[int], int]:
        @rayfaas.function
        def add(x: int) -> int:
            return x + n

        return add

    data = {n: unpacked(bundle_function(adder(n)))["function.pickle"] for n in (1, 2)}
    assert {n: pickle.loads(pickled)(10) for n, pickled in data.items()} == {1: 11, 2: 12}


def test_data_files_of_a_function_without_a_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="f has no file that include= could be relative to"):
        bundle_function(executed("@rayfaas.function(include=['*.json'])\ndef f(): ...", "f"))
