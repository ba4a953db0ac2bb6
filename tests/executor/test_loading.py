"""A version's code is imported as files are anywhere; whatever its import does, the deploy hears of it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
import psutil
import pytest

from rayfaas.errors import ImportFailed
from rayfaas.executor.loading import PICKLE, PICKLE_META
from tests.executor.replica import Replica
from tests.waiting import eventually


async def refused(replica: Replica, source: str | dict[str, str | bytes], **options: Any) -> ImportFailed:
    with pytest.raises(ImportFailed) as caught:
        await replica.deploy(source, **options)
    return caught.value


def pickled(function: Callable[..., Any], python: str = f"{sys.version_info[0]}.{sys.version_info[1]}") -> Any:
    return {PICKLE: cloudpickle.dumps(function), PICKLE_META: json.dumps({"python": python})}


async def test_packages_data_files_and_lazy_imports_are_found_as_files(replica: Replica) -> None:
    files = {
        "app.py": """
            from pathlib import Path
            from shop import prices
            here = Path(__file__).parent
            def f():
                from shop.later import NAME
                return [prices.GOLD, NAME, (here / "data" / "a.txt").read_text(), Path("data/a.txt").read_text()]
        """,
        "shop/__init__.py": "",
        "shop/prices.py": "from . import units\nGOLD = units.EURO * 2",
        "shop/units.py": "EURO = 21",
        "shop/later.py": "NAME = __name__",
        "data/a.txt": "data",
    }
    version = await replica.deploy(files)
    assert await version.call().value() == [42, "shop.later", "data", "data"]


async def test_versions_with_modules_of_one_name_do_not_mix(replica: Replica) -> None:
    versions = [
        await replica.deploy({"app.py": "import helper\ndef f(): return helper.N", "helper.py": f"N = {number}"})
        for number in (1, 2)
    ]
    assert [await version.call().value() for version in versions] == [1, 2]


async def test_a_decorated_function_is_what_it_decorates(replica: Replica) -> None:
    source = """
        import rayfaas
        @rayfaas.function(timeout_s=5)
        def f(x: int) -> int:
            return x + 1
    """
    version = await replica.deploy(source)
    assert await version.call(1).value() == 2
    assert version.imported.interface["kind"] == "sync"
    assert version.imported.interface["result"] == {"type": "integer"}


async def test_any_callable_will_do(replica: Replica) -> None:
    source = """
        class Scale:
            def __init__(self, by): self.by = by
            def __call__(self, x: int): return self.by * x
        f = Scale(3)
        table = {}
    """
    version = await replica.deploy(source)
    assert await version.call(2).value() == 6
    assert "app.table is dict, not a function" in (await refused(replica, source, entry="table")).detail


async def test_a_name_that_is_not_there_is_asked_about(replica: Replica) -> None:
    error = await refused(replica, "if __name__ == '__main__':\n    def f(): pass")
    assert "app has no function 'f'" in error.detail
    assert "__main__" in error.detail


async def test_an_entry_that_is_not_there_is_not_imported(replica: Replica) -> None:
    error = await refused(replica, {"other.py": "def f(): pass"})
    assert "ModuleNotFoundError: No module named 'app'" in error.detail


@pytest.mark.parametrize(
    ("source", "name", "told"),
    [
        ("import no_such_module", "ModuleNotFoundError", "No module named 'no_such_module'"),
        ("from os import no_such_name", "ImportError", "cannot import name"),
        ("x = 1 / 0", "ZeroDivisionError", "x = 1 / 0"),
        ("import sys\nsys.exit('enough')", "SystemExit", "enough"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt", "raise KeyboardInterrupt"),
        ("class Odd(BaseException): pass\nraise Odd", "Odd", "raise Odd"),
        ("def g():\n    g()\ng()", "RecursionError", "g()"),
    ],
)
async def test_an_import_that_raises_is_told_with_the_users_own_traceback(
    replica: Replica, source: str, name: str, told: str
) -> None:
    error = await refused(replica, source)
    assert error.extra["exception"] == name
    assert told in error.extra["traceback"]
    assert "rayfaas/executor" not in error.extra["traceback"]


@pytest.mark.parametrize(("source", "told"), [("def f(:", "invalid syntax"), ("x = 1\n  y = 2", "unexpected indent")])
async def test_code_that_does_not_parse_is_told_with_its_file_and_line(
    replica: Replica, source: str, told: str
) -> None:
    error = await refused(replica, source)
    assert told in error.detail
    assert "app.py" in error.extra["traceback"]
    assert source.splitlines()[-1].strip() in error.extra["traceback"]


async def test_a_traceback_of_an_import_holds_the_users_frames_only(replica: Replica) -> None:
    error = await refused(replica, {"app.py": "import helper", "helper.py": "def g():\n    1 / 0\ng()"})
    frames = [line for line in error.extra["traceback"].splitlines() if line.startswith("  File")]
    users = [frame for frame in frames if "importlib" not in frame]
    assert ["app.py" in users[0], "helper.py" in users[1], "helper.py" in users[2]] == [True] * 3
    assert len(users) == 3
    assert "app.py" in frames[0]


async def test_an_import_that_fails_ends_its_process(replica: Replica) -> None:
    before = len(replica.exits)
    await refused(replica, "import threading\nthreading.Thread(target=threading.Event().wait).start()\n1 / 0")
    await eventually(lambda: len(replica.exits) > before)
    assert replica.supervisor.hosted() == []


@pytest.mark.parametrize(
    ("statement", "how"),
    [
        ("os._exit(3)", "exited with code 3"),
        ("os._exit(0)", "exited with code 0"),
        ("os.kill(os.getpid(), 9)", "was killed by SIGKILL"),
        ("ctypes.string_at(0)", "was killed by SIGSEGV"),
    ],
)
async def test_an_import_that_ends_its_process_is_told_with_its_last_words(
    replica: Replica, statement: str, how: str
) -> None:
    error = await refused(replica, f"import ctypes, os\nprint('last words')\n{statement}\ndef f(): pass")
    assert f"The process {how} while it imported app." in error.detail
    assert "last words" in error.detail


async def test_an_import_that_hangs_is_ended_at_the_deadline(replica: Replica) -> None:
    before = len(replica.exits)
    source = "import subprocess\nsubprocess.run(['sleep', '3611'])"
    error = await refused(replica, source, deadline_s=0.3)
    assert "still importing" in error.detail
    await eventually(lambda: len(replica.exits) > before)
    _, death, meant = replica.exits[-1]
    assert (death.how, meant) == ("was killed by SIGKILL", True)
    await eventually(lambda: ["sleep", "3611"] not in [p.info["cmdline"] for p in psutil.process_iter(["cmdline"])])


async def test_a_spawn_that_is_given_up_ends_its_process(replica: Replica, tmp_path: Path) -> None:
    source = f"import pathlib\npathlib.Path({str(tmp_path / 'importing')!r}).touch()\nwhile True: pass"
    spawn = asyncio.ensure_future(replica.supervisor.spawn(replica.publish({"app.py": source}), 60.0))
    await eventually((tmp_path / "importing").exists)
    before = len(replica.exits)
    spawn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await spawn
    await eventually(lambda: len(replica.exits) > before)


async def test_what_an_import_prints_is_not_lost_and_no_part_of_a_call(replica: Replica) -> None:
    version = await replica.deploy("print('at import')\ndef f():\n    print('in the call')")
    call = version.call()
    await call.value()
    assert call.output() == "in the call\n"
    psutil.Process(version.pid).kill()
    assert "at import" in (await replica.death_of(version)).output


async def test_what_an_executor_imports_comes_from_its_bundle_and_not_from_where_rayfaas_was_started(
    replica: Replica,
) -> None:
    version = await replica.deploy("import sys\ndef f(): return sys.path")
    path = await version.call().value()
    assert Path(path[0]).name == version.order.bundle
    assert "" not in path


async def test_a_function_of_a_notebook_is_run_from_its_pickle(replica: Replica) -> None:
    factor = 3

    def f(x: int) -> int:
        return factor * x

    f.__module__ = "__main__"
    version = await replica.deploy(pickled(f), entry_kind="pickle")
    assert await version.call("2").value() == 6


async def test_a_pickle_of_another_python_is_refused_with_advice(replica: Replica) -> None:
    error = await refused(replica, pickled(len, python="3.8"), entry_kind="pickle")
    assert "Python 3.8" in error.detail
    assert "Put it in a file" in error.detail


@pytest.mark.parametrize("data", [b"", b"\x80\x05", b"garbage", b"cno_such_module\nf\n."])
async def test_a_pickle_that_can_not_be_read_is_an_import_error(replica: Replica, data: bytes) -> None:
    error = await refused(replica, {**pickled(len), PICKLE: data}, entry_kind="pickle")
    assert error.extra["traceback"]


async def test_a_pickle_without_its_description_is_an_import_error(replica: Replica) -> None:
    error = await refused(replica, {"app.py": "def f(): pass"}, entry_kind="pickle")
    assert "FileNotFoundError" in error.detail
