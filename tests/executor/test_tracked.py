"""Of a call whose result may be kept the gateway hears all that it depends on, or why that can't be told."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from rayfaas.touches import Touch
from tests.executor.replica import Replica


def sha(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "data/input.txt"
    path.parent.mkdir()
    path.write_text("abc")
    os.utime(path, (1, 1))
    os.utime(path.parent, (1, 1))
    return path


async def test_a_call_that_touches_nothing_says_so(replica: Replica) -> None:
    version = await replica.deploy("def f(): return 1")
    for _ in range(2):
        assert await version.executor.track().tracked() == ([], "")
    assert version.executor.touched == {}


async def test_others_are_not_told_of(replica: Replica, file: Path) -> None:
    version = await replica.deploy("def f(path): return open(path).read()")
    await version.call(str(file)).touches()
    assert version.executor.tracked == {}


async def test_files_that_were_read_and_written_are_told_and_recorded_too(replica: Replica, file: Path) -> None:
    source = """
        def f(path, output):
            with open(output, "w") as file: file.write(open(path).read())
    """
    version = await replica.deploy(source)
    output = file.parent.parent / "output"
    call = version.executor.track(str(file), str(output))
    touches, unknown = await call.tracked()
    assert unknown == ""
    assert sorted((touch.mode, touch.uri, touch.version) for touch in touches) == [
        ("read", file.as_uri(), sha(b"abc")),
        ("write", output.as_uri(), sha(b"abc")),
    ]
    assert await call.touches() == touches


async def test_what_the_executor_read_as_it_began_is_each_calls(replica: Replica, file: Path) -> None:
    version = await replica.deploy(f"model = open({str(file)!r}).read()\ndef f(): return model")
    for _ in range(2):
        touches, _ = await version.executor.track().tracked()
        assert touches == [Touch("read", file.as_uri(), "open", sha(b"abc"), 3)]


async def test_what_a_function_keeps_by_functools_is_each_later_calls(replica: Replica, file: Path) -> None:
    source = f"""
        import functools
        @functools.cache
        def model(): return open({str(file)!r}).read()
        def f(n):
            return model() if n else 0
    """
    version = await replica.deploy(source)
    told = [await version.executor.track(n).tracked() for n in (0, 1, 1, 0)]
    model = Touch("read", file.as_uri(), "open", sha(b"abc"), 3)
    assert told == [([], ""), ([model], ""), ([model], ""), ([model], "")]


async def test_folders_that_were_listed_and_files_that_are_not_there_count(replica: Replica, file: Path) -> None:
    source = """
        import glob, os
        def f(folder, how):
            if how == "list": return sorted(os.listdir(folder))
            if how == "glob": return glob.glob(folder + "/*.txt")
            if how == "here":
                os.chdir(folder)
                return os.listdir()
            try: open(folder + "/missing")
            except FileNotFoundError: return None
    """
    version = await replica.deploy(source)
    for how in ("list", "glob", "here"):
        (touch,), _ = await version.executor.track(str(file.parent), how).tracked()
        assert touch == Touch(
            "read", file.parent.as_uri(), "listed", f"names:{hashlib.sha256(b'input.txt' + bytes(1)).hexdigest()}"
        )
    (missing,), _ = await version.executor.track(str(file.parent), "open").tracked()
    assert missing == Touch("read", (file.parent / "missing").as_uri(), "open", "absent")


async def test_what_the_call_made_and_removed_only_has_to_be_gone(replica: Replica) -> None:
    source = """
        import tempfile, os
        def f():
            with tempfile.TemporaryDirectory() as folder:
                with open(folder + "/part", "w") as file: file.write("x")
                os.listdir(folder), open(folder + "/part").read()
            with tempfile.NamedTemporaryFile() as file: file.write(b"x")
    """
    touches, unknown = await (await replica.deploy(source)).executor.track().tracked()
    assert ({touch.version for touch in touches}, unknown) == ({"absent"}, "")


async def test_to_look_for_a_module_depends_on_nothing(replica: Replica) -> None:
    source = "def f():\n    import colorsys, xml.dom.minidom, wave\n    return 1"
    assert await (await replica.deploy(source)).executor.track().tracked() == ([], "")


async def test_who_asks_which_call_it_answers_may_have_a_result_of_its_own(replica: Replica) -> None:
    source = "import rayfaas\ndef f(): return rayfaas.current_call().principal"
    touches, unknown = await (await replica.deploy(source)).executor.track().tracked()
    assert touches == []
    assert unknown.startswith("it asked which call it answers")


async def test_what_a_library_opened_is_not_known_where_its_call_could_not_be_followed(replica: Replica) -> None:
    source = """
        import types
        from rayfaas.executor.wrapping import after
        library = types.SimpleNamespace(load=lambda: 1)
        def look(call): raise AttributeError("no such thing in this release")
        after(library, "load", look)
        def f(): return library.load()
    """
    version = await replica.deploy(source)
    for _ in range(2):
        assert await version.executor.track().tracked() == ([], "a call of load could not be followed")


async def test_what_nobody_knows_whose_it_is_spoils_all_that_run(replica: Replica, file: Path) -> None:
    source = """
        import threading
        both = threading.Barrier(2)
        def f(path):
            both.wait()
            thread = threading.Thread(target=open, args=[path])
            thread.start(), thread.join()
            both.wait()
    """
    version = await replica.deploy(source, concurrency=2)
    calls = [version.executor.track(str(file)) for _ in range(2)]
    for call in calls:
        touches, unknown = await call.tracked()
        assert (touches, unknown) == ([], "what was opened while it ran may have been another call's")


async def test_too_many_to_check_are_not_told(replica: Replica, tmp_path: Path) -> None:
    for number in range(1_001):
        (tmp_path / str(number)).touch()
    source = "def f(folder):\n  for n in range(1001): open(f'{folder}/{n}').close()"
    touches, unknown = await (await replica.deploy(source)).executor.track(str(tmp_path)).tracked()
    assert (touches, unknown) == ([], "it touched more than 1,000 artifacts")


@pytest.mark.parametrize("name", ["a b.txt", "größe 100%.txt", "q?x=1#y", "~.:@!$&'()*+,;=", os.fsdecode(b"\xff")])
async def test_a_file_has_the_uri_that_pathlib_has_for_it_whatever_it_is_called(
    replica: Replica, tmp_path: Path, name: str
) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    file = tmp_path / name
    file.write_text("abc")
    os.utime(file, (1, 1))
    version = await replica.deploy(
        f"import os\ndef f(): open(os.fsdecode({os.fsencode(tmp_path / 'link' / name)!r})).read()"
    )
    touches, unknown = await version.executor.track().tracked()
    assert (touches, unknown) == ([Touch("read", file.as_uri(), "open", sha(b"abc"), 3)], "")
