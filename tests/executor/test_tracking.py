"""What a call reads and writes is told to its gateway, with the version that it was, and without a word of its code."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from rayfaas.touches import Touch
from tests.executor.gateway import Call
from tests.executor.replica import Replica
from tests.waiting import eventually


def sha(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


async def told(call: Call) -> list[tuple[Any, ...]]:
    """Mode, name, and how it was seen."""
    return sorted((touch.mode, Path(unquote(touch.uri)).name, touch.how) for touch in await call.touches())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "in put.txt"
    path.write_text("abc")
    os.utime(path, (1, 1))
    return path


async def test_a_file_that_is_opened_is_read_in_its_version(replica: Replica, file: Path) -> None:
    version = await replica.deploy("def f(path): return open(path).read()")
    touches = await version.call(str(file)).touches()
    assert touches == [Touch("read", file.as_uri(), "open", sha(b"abc"), 3, (), True)]


async def test_a_file_that_is_written_is_told_as_it_is_at_the_end(replica: Replica, tmp_path: Path) -> None:
    source = """
        import os
        def f(folder):
            with open(folder + "/part", "w") as file:
                file.write("first")
            open(folder + "/part").read()
            os.replace(folder + "/part", folder + "/whole")
            with open(folder + "/gone", "w"): pass
            os.remove(folder + "/gone")
    """
    (touch,) = await (await replica.deploy(source)).call(str(tmp_path)).touches()
    whole = tmp_path / "whole"
    assert touch == Touch("write", whole.as_uri(), "open", sha(b"first"), 5, (), True, whole.stat().st_mtime_ns // 1000)


async def test_each_is_told_once_and_relative_paths_and_descriptors_too(replica: Replica, file: Path) -> None:
    source = """
        import os
        def f(folder, name):
            os.chdir(folder)
            for _ in range(3):
                open(name).close()
                os.close(os.open(os.fsencode(name), os.O_RDONLY))
            open(os.open(name, os.O_RDONLY)).close()
    """
    call = (await replica.deploy(source)).call(str(file.parent), file.name)
    assert await told(call) == [("read", file.name, "open")]


async def test_what_is_the_versions_or_the_machines_is_no_artifact(replica: Replica, file: Path) -> None:
    files = {
        "app.py": """
            def f(path):
                import email.mime.text, colorsys, os, rayfaas, tempfile
                open("data.txt").read(), open("/proc/self/stat").read(), open("/etc/hostname").read()
                os.listdir("/"), open(os.__file__).read(), open(rayfaas.__file__).read()
                with tempfile.TemporaryFile() as file: file.write(b"x")
                try: open("/nowhere")
                except OSError: pass
                open(path).close()
        """,
        "data.txt": "of the bundle",
    }
    assert await told((await replica.deploy(files)).call(str(file))) == [("read", file.name, "open")]


async def test_what_changed_meanwhile_is_not_certain(replica: Replica, file: Path) -> None:
    source = """
        def f(path):
            open(path).read()
            with open(path, "a") as file: file.write("d")
    """
    read, wrote = await (await replica.deploy(source)).call(str(file)).touches()
    assert (read.mode, read.version, read.is_certain) == ("read", None, False)
    assert (wrote.mode, wrote.version, wrote.is_certain) == ("write", sha(b"abcd"), True)


@pytest.mark.parametrize("mode", ["a", "a+b", "r+"])
async def test_what_is_added_to_was_read_in_a_version_that_is_not_known(
    replica: Replica, file: Path, mode: str
) -> None:
    source = """
        import os
        def f(path, mode):
            with open(path, mode) as file: os.write(file.fileno(), b"d")
            os.close(os.open(path + ".not", os.O_RDWR))
            with open(path + ".new", "a") as file: file.write("d")
            with open(path + ".new", mode): pass
            os.close(os.open(path + ".own", os.O_RDWR | os.O_CREAT | os.O_EXCL))
    """
    (file.parent / f"{file.name}.not").write_text("as it was")
    touches = await (await replica.deploy(source)).call(str(file), mode).touches()
    assert sorted((touch.mode, Path(unquote(touch.uri)).suffix, touch.is_certain) for touch in touches) == [
        ("read", ".not", False),
        ("read", ".txt", False),
        ("write", ".new", True),
        ("write", ".not", False),
        ("write", ".own", True),
        ("write", ".txt", True),
    ]


async def test_what_is_renamed_was_read_under_its_old_name(replica: Replica, file: Path) -> None:
    source = """
        import os
        def f(folder, name):
            os.rename(folder + "/" + name, folder + "/b")
            os.replace(folder + "/b", folder + "/c")
            os.link(folder + "/c", folder + "/d")
            os.mkdir(folder + "/part")
            with open(folder + "/part/own", "w") as file: file.write("x")
            os.rename(folder + "/set", folder + "/whole")
            os.rename(folder + "/part", folder + "/own")
            for attempt in (os.rename, os.link):
                try: attempt(folder + "/nowhere", folder + "/old")
                except OSError: pass
    """
    (file.parent / "set").mkdir()
    for name in ("set/1", "set/2", "old"):
        (file.parent / name).write_text(name)
    touches = await (await replica.deploy(source)).call(str(file.parent), file.name).touches()
    folder = f"{file.parent.as_uri()}/"
    found = {(touch.mode, unquote(touch.uri.removeprefix(folder))): touch.version for touch in touches}
    content = {"in put.txt": b"abc", "set/1": b"set/1", "set/2": b"set/2"}
    assert {name: version for (mode, name), version in found.items() if mode == "read"} == {
        name: sha(what) for name, what in content.items()
    }
    assert {name for mode, name in found if mode == "write"} == {"c", "d", "whole/1", "whole/2", "own/own"}


async def test_what_is_read_and_replaced_was_read(replica: Replica, file: Path) -> None:
    source = """
        import os
        def f(path):
            text = open(path).read()
            with open(path + ".new", "w") as file: file.write(text + "d")
            os.replace(path + ".new", path)
    """
    read, wrote = await (await replica.deploy(source)).call(str(file)).touches()
    assert (read.mode, read.uri, read.version, read.is_certain) == ("read", file.as_uri(), None, False)
    assert (wrote.mode, wrote.uri, wrote.version) == ("write", file.as_uri(), sha(b"abcd"))


async def test_what_is_read_at_import_is_the_executors_once(replica: Replica, file: Path) -> None:
    version = await replica.deploy(f"model = open({str(file)!r}).read()\ndef f(): return model")
    for _ in range(2):
        await version.call().value()
    await eventually(lambda: version.executor.touched)
    assert [touch.uri for touch in version.executor.touched[None]] == [file.as_uri()]
    assert set(version.executor.touched) == {None}


async def test_threads_tasks_and_batches_belong_to_their_calls(replica: Replica, file: Path) -> None:
    threads = "import threading\ndef f(p):\n  t = threading.Thread(target=open, args=[p]); t.start(); t.join()"
    assert await told((await replica.deploy(threads)).call(str(file))) == [("read", file.name, "open")]
    tasks = "import asyncio\nasync def f(p): await asyncio.to_thread(open, p)"
    assert await told((await replica.deploy(tasks)).call(str(file))) == [("read", file.name, "open")]
    batch = "import rayfaas\n@rayfaas.batched(max_size=2, wait_ms=1000)\ndef f(ps): return [open(p).read() for p in ps]"
    version = await replica.deploy(batch)
    one, other = version.call(str(file)), version.call(str(file))
    assert await told(one) == await told(other) == [("read", file.name, "open")]


async def test_what_nothing_sees_can_be_said(replica: Replica) -> None:
    source = """
        import rayfaas
        def f():
            rayfaas.reads("postgres://shop/orders", version="7")
            rayfaas.writes("topic:/forecast", columns=["units"])
    """
    assert await (await replica.deploy(source)).call().touches() == [
        Touch("read", "postgres://shop/orders", "said", "7"),
        Touch("write", "topic:/forecast", "said", None, None, ("units",)),
    ]


async def test_all_is_told_before_the_executor_ends(replica: Replica, file: Path) -> None:
    version = await replica.deploy("def f(path): open(path).close()")
    call = version.call(str(file))
    await call.value()
    replica.supervisor.drain(f"{version.order.function}:{version.order.version}")
    await version.executor.closed
    assert call.header.call_id in version.executor.touched


async def test_a_repository_of_hugging_face_is_known_by_its_cache(replica: Replica, tmp_path: Path) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "models--google--bert"
    blob, link = repository / "blobs/b10b", repository / f"snapshots/{commit}/config.json"
    for path in (blob, link):
        path.parent.mkdir(parents=True)
    blob.write_text("{}")
    link.symlink_to(blob)
    version = await replica.deploy("def f(path): open(path).close()")
    assert await version.call(str(link)).touches() == [Touch("read", "hf://google/bert", "hf", commit)]


async def test_relative_paths_are_of_the_directory_that_it_was_in_then(replica: Replica, tmp_path: Path) -> None:
    source = """
        import contextlib, os
        def f(folder):
            os.chdir(folder)
            with contextlib.chdir("in"):
                open("a").read()
                open("../out/b", "w").close()
            with contextlib.chdir("out"):
                open("c", "w").close()
            open("in/d", "w").close()
    """
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    (tmp_path / "in/a").write_text("a")
    touches = await (await replica.deploy(source)).call(str(tmp_path)).touches()
    found = sorted((touch.mode, Path(touch.uri).relative_to(tmp_path.as_uri()).as_posix()) for touch in touches)
    assert found == [("read", "in/a"), ("write", "in/d"), ("write", "out/b"), ("write", "out/c")]


async def test_a_call_whose_directory_is_gone_at_its_end_is_answered(replica: Replica, file: Path) -> None:
    source = """
        import os, tempfile
        def f(path):
            open(path).read()
            with tempfile.TemporaryDirectory() as folder:
                os.chdir(folder)
                open("scratch", "w").close()
            return 1
    """
    version = await replica.deploy(source)
    call = version.call(str(file))
    assert await call.value() == 1
    assert await told(call) == [("read", file.name, "open")]
    again = version.call(str(file))
    assert await again.value() == 1
    assert await told(again) == [("read", file.name, "open")]


async def test_files_that_are_said_by_their_uri_are_found_whatever_their_names_are(
    replica: Replica, tmp_path: Path
) -> None:
    source = """
        import rayfaas
        def f(uri, plain):
            rayfaas.writes(uri)
            rayfaas.reads("file://" + plain)
    """
    quoted, literal = tmp_path / "größe 语.parquet", tmp_path / "100%25.txt"
    for path in (quoted, literal):
        path.write_text("x")
    touches = await (await replica.deploy(source)).call(quoted.as_uri(), str(literal)).touches()
    assert sorted((touch.mode, touch.uri) for touch in touches) == [
        ("read", literal.as_uri()),
        ("write", quoted.as_uri()),
    ]
