"""The zygote forks what it is asked for, says how each child ended, and takes all of them with it when it ends."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from rayfaas.executor.zygote import Zygote
from rayfaas.frames import Decoder, Kind, header_of
from rayfaas.names import new_id
from rayfaas.orders import (
    MAX_PACKET,
    Exited,
    Fork,
    Forked,
    Grow,
    Imported,
    Order,
    Preloaded,
    decode_from_zygote,
    encode_packet,
)
from tests.processes import are_gone, is_gone
from tests.waiting import wait_until

SLEEPER = "import subprocess\nsubprocess.Popen(['sleep', '3600'])\n"


class Executor:
    """An executor, and its control channel. It ends where that is closed."""

    def __init__(self, pid: int, control: socket.socket) -> None:
        self.pid, self._control = pid, control
        control.settimeout(20)

    def __enter__(self) -> Executor:
        return self

    def __exit__(self, *_: object) -> None:
        self._control.close()

    def first_word(self) -> tuple[int, bytes]:
        """The kind and body of its first message; the error's code in place of a body."""
        decoder = Decoder()
        while not (messages := decoder.feed(self._control.recv(1 << 16))):
            pass
        message = messages[0]
        return message.kind, message.body or str(header_of(message)["code"]).encode()


class ZygoteProcess:
    """A zygote, and the end of its packet socket that a supervisor has."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        sock.settimeout(20)

    def __enter__(self) -> ZygoteProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def hear(self) -> Forked | Exited | Preloaded | None:
        """None when it is gone."""
        packet = self._socket.recv(MAX_PACKET)
        return decode_from_zygote(packet) if packet else None

    def grow(self, modules: str) -> ZygoteProcess:
        """The next generation; `modules` is a JSON list."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, tempfile.TemporaryFile() as file:
            file.write(modules.encode())
            file.seek(0)
            socket.send_fds(self._socket, [encode_packet(Grow("next"))], [theirs.fileno(), file.fileno()])
        self._forked("next")
        return ZygoteProcess(ours)

    def fork(self, bundle: Path, source: str | None, name: str = "e-1", **changes: Any) -> Executor:
        """An executor that imports `source`; None is a bundle that is missing."""
        if source is not None:
            bundle.mkdir()
            (bundle / "app.py").write_text(source)
        scratch = str(bundle.parent / new_id())
        order = Order(name, "t/f", 1, str(bundle), "module", "app", "f", 1, [], b"key", "c", "n", "r", "h", scratch)
        order = msgspec.structs.replace(order, **changes)
        ours, theirs = socket.socketpair()
        with theirs, open(os.devnull, "wb") as output:
            socket.send_fds(self._socket, [encode_packet(Fork(order))], [theirs.fileno(), output.fileno()])
        return Executor(self._forked(name), ours)

    def _forked(self, name: str) -> int:
        forked = self.hear()
        assert isinstance(forked, Forked)
        assert forked.child == name
        return forked.pid


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Modules that a zygote can import."""
    folder = tmp_path_factory.mktemp("packages")
    (folder / "good_one.py").write_text("VALUE = []")
    (folder / "good_two.py").write_text("import good_one\ngood_one.VALUE.append(2)")
    (folder / "raises.py").write_text("raise ValueError('not today')")
    (folder / "exits.py").write_text("import sys\nsys.exit('enough')")
    (folder / "ends.py").write_text("import os\nos._exit(5)")
    (folder / "unfit.py").write_text("import os\nos.register_at_fork(after_in_child=lambda: os._exit(7))")
    return folder


def start(packages: Path) -> Iterator[tuple[subprocess.Popen[bytes], ZygoteProcess]]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        command = [sys.executable, "-m", "rayfaas.executor.zygote", str(theirs.fileno())]
        environ = {**os.environ, "PYTHONPATH": str(packages)}
        process = subprocess.Popen(command, pass_fds=[theirs.fileno()], env=environ, cwd=packages.parent)
    with ZygoteProcess(ours) as zygote:
        first = zygote.hear()
        assert isinstance(first, Preloaded)
        assert (first.refused, first.unfit) == ({}, None)
        yield process, zygote
    process.wait(20)


@pytest.fixture(scope="module")
def zygote(packages: Path) -> Iterator[ZygoteProcess]:
    """One for all tests that leave it as it was."""
    for _, zygote in start(packages):
        yield zygote


@pytest.fixture
def mortal(packages: Path) -> Iterator[tuple[subprocess.Popen[bytes], ZygoteProcess]]:
    """One that the test may end."""
    yield from start(packages)


def test_a_fork_that_fails_is_told_as_an_end_and_ends_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> int:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    order = Order("e-1", "t/f", 1, "b", "module", "app", "f", 1, [], b"key", "c", "n", "r", "h", "s")
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs, (tmp_path / "output").open("w+b", 0) as output:
        monkeypatch.setattr(os, "fork", fail)
        zygote, supervisor = Zygote(theirs), ZygoteProcess(ours)
        for message in (Fork(order), Grow("next")):
            socket.send_fds(ours, [encode_packet(message)], [output.fileno(), output.fileno()])
            assert zygote._receive()
        assert [supervisor.hear(), supervisor.hear()] == [Exited("e-1", 71 << 8), Exited("next", 71 << 8)]
        assert (
            tmp_path / "output"
        ).read_text() == "rayfaas: it could not be forked: Resource temporarily unavailable\n"


def test_an_executor_is_forked_and_its_end_is_told(zygote: ZygoteProcess, tmp_path: Path) -> None:
    with zygote.fork(tmp_path / "b", "def f(): pass") as executor:
        kind, body = executor.first_word()
        assert kind == Kind.READY
        assert msgspec.msgpack.decode(body, type=Imported).interface["kind"] == "sync"
        os.kill(executor.pid, signal.SIGTERM)
        assert zygote.hear() == Exited("e-1", signal.SIGTERM)


@pytest.mark.parametrize(
    ("function", "version", "name"), [("t/f", 1, "f:1"), ("team/a_long_name_of_one", 142, "a_long_name:142")]
)
def test_an_executor_is_called_as_its_version_where_processes_are_listed(
    zygote: ZygoteProcess, tmp_path: Path, function: str, version: int, name: str
) -> None:
    with zygote.fork(tmp_path / "b", "def f(): pass", function=function, version=version) as executor:
        executor.first_word()
        assert Path(f"/proc/{executor.pid}/comm").read_text() == f"{name}\n"
    zygote.hear()


def test_an_executor_has_a_session_of_its_own_and_ends_with_its_channel(zygote: ZygoteProcess, tmp_path: Path) -> None:
    with zygote.fork(tmp_path / "b", "def f(): pass") as executor:
        executor.first_word()
        assert os.getsid(executor.pid) == os.getpgid(executor.pid) == executor.pid
    assert zygote.hear() == Exited("e-1", signal.SIGKILL)


def test_an_import_that_fails_ends_the_executor_and_not_the_zygote(zygote: ZygoteProcess, tmp_path: Path) -> None:
    with zygote.fork(tmp_path / "bad", "1 / 0") as executor:
        assert executor.first_word() == (Kind.ERROR, b"import_failed")
        assert zygote.hear() == Exited("e-1", 0)
    with zygote.fork(tmp_path / "good", "def f(): pass", "e-2") as executor:
        assert executor.first_word()[0] == Kind.READY
    assert zygote.hear() == Exited("e-2", signal.SIGKILL)


def test_an_order_that_can_not_be_carried_out_is_told_before_the_end(zygote: ZygoteProcess, tmp_path: Path) -> None:
    with zygote.fork(tmp_path / "b", None) as executor:  # the bundle is not there
        assert executor.first_word() == (Kind.ERROR, b"deploy_failed")
        assert zygote.hear() == Exited("e-1", 1 << 8)


def test_what_an_executor_left_running_ends_with_it(zygote: ZygoteProcess, tmp_path: Path) -> None:
    with zygote.fork(tmp_path / "b", SLEEPER + "def f(): pass") as executor:
        executor.first_word()
        (sleeper,) = psutil.Process(executor.pid).children()
    assert zygote.hear() == Exited("e-1", signal.SIGKILL)
    wait_until(lambda: is_gone(sleeper))


def test_the_next_generation_has_what_it_was_asked_to_load_and_refuses_what_raises(zygote: ZygoteProcess) -> None:
    with zygote.grow('["good_two", "raises", "exits", "no_such_module"]') as grown:
        report = grown.hear()
        assert isinstance(report, Preloaded)
        assert report.refused == {
            "raises": "ValueError: not today",
            "exits": "SystemExit: enough",
            "no_such_module": "ModuleNotFoundError: No module named 'no_such_module'",
        }
        assert report.unfit is None
    assert zygote.hear() == Exited("next", 0)


def test_executors_of_a_generation_share_what_it_loaded_and_those_of_the_last_do_not(
    zygote: ZygoteProcess, tmp_path: Path
) -> None:
    source = "import sys\nif 'good_one' in sys.modules: raise LookupError\ndef f(): pass"
    with zygote.grow('["good_one"]') as grown:
        assert isinstance(grown.hear(), Preloaded)
        with grown.fork(tmp_path / "new", source) as executor:
            assert executor.first_word() == (Kind.ERROR, b"import_failed")
            assert grown.hear() == Exited("e-1", 0)
    assert zygote.hear() == Exited("next", 0)
    with zygote.fork(tmp_path / "old", source) as executor:
        assert executor.first_word()[0] == Kind.READY
    assert zygote.hear() == Exited("e-1", signal.SIGKILL)


def test_a_generation_that_does_not_survive_a_fork_says_so_and_ends(zygote: ZygoteProcess) -> None:
    with zygote.grow('["unfit"]') as grown:
        report = grown.hear()
        assert isinstance(report, Preloaded)
        assert report.unfit is not None
        assert "status" in report.unfit
        assert zygote.hear() == Exited("next", 0)


def test_a_generation_whose_module_ends_the_process_is_gone_without_a_word(zygote: ZygoteProcess) -> None:
    with zygote.grow('["good_one", "ends"]') as grown:
        assert zygote.hear() == Exited("next", 5 << 8)
        assert grown.hear() is None


def test_the_working_directory_is_no_place_to_import_from(zygote: ZygoteProcess, packages: Path) -> None:
    (packages.parent / "in_the_working_directory.py").write_text("")
    with zygote.grow('["in_the_working_directory"]') as grown:
        report = grown.hear()
        assert isinstance(report, Preloaded)
        assert list(report.refused) == ["in_the_working_directory"]
    assert zygote.hear() == Exited("next", 0)


def test_all_end_when_the_supervisor_is_gone(
    mortal: tuple[subprocess.Popen[bytes], ZygoteProcess], tmp_path: Path
) -> None:
    process, zygote = mortal
    with (
        zygote.fork(tmp_path / "b", SLEEPER + "def f(): pass") as executor,
        zygote.fork(tmp_path / "hanging", SLEEPER + "while True: pass", "e-2"),
    ):
        executor.first_word()
        wait_until(lambda: len(psutil.Process(process.pid).children(recursive=True)) == 4)
        family = psutil.Process(process.pid).children(recursive=True)
        with zygote:
            pass
        assert process.wait(20) == 0
    wait_until(lambda: are_gone(family))


def test_children_and_their_generations_do_not_outlive_a_zygote_that_is_killed(
    mortal: tuple[subprocess.Popen[bytes], ZygoteProcess], tmp_path: Path
) -> None:
    process, zygote = mortal
    with zygote.grow('["good_one"]') as grown:
        assert isinstance(grown.hear(), Preloaded)
        with (
            zygote.fork(tmp_path / "old", "def f(): pass") as old,
            grown.fork(tmp_path / "new", "def f(): pass") as new,
        ):
            assert old.first_word()[0] == new.first_word()[0] == Kind.READY
            family = psutil.Process(process.pid).children(recursive=True)
            assert len(family) == 3
            process.kill()
            wait_until(lambda: are_gone(family))
