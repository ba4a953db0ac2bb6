"""Environments on a node: built once, whoever asks, and shared by all functions that have the same lock.

    ENVIRONMENTS/<digest>/            a virtual environment; whole when it holds the file `.rayfaas.json`
    ENVIRONMENTS/<digest>.lock        held exclusively while it is built or removed, shared while a zygote uses it
    ENVIRONMENTS/.uv                  uv's cache: what was downloaded before an interruption is not downloaded again
    ENVIRONMENTS/.rayfaas/rayfaas     leads to the code of this server's rayfaas, which environments find there

Built in place, because environments can't be moved: of a home that has got another name, and where their interpreter
is gone, they are built anew. Locks are the kernel's: who is killed leaves none, and a build
that it has started, and that goes on, keeps it.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import json
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rayfaas
from rayfaas.cluster.interpreters import interpreter
from rayfaas.cluster.resolving import resolve
from rayfaas.cluster.surroundings import building_environment
from rayfaas.cluster.uv import OnLine, run, uv
from rayfaas.environment import Locked, Wanted
from rayfaas.errors import EnvironmentFailed

DEFAULT_LIMIT_BYTES = 50 << 30
_MARK = ".rayfaas.json"
_PATHS = "rayfaas.pth"
_LOOK_S = 0.1


@dataclass
class Held:
    """An environment that is in use, and stays until it is let go. `state` says whether it was there: hit or built."""

    path: Path
    state: str
    _lock: int

    @property
    def python(self) -> Path:
        return self.path / "bin" / "python"

    def release(self) -> None:
        """Safe to repeat."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


class Environments:
    """Those below `directory`: at most `limit_bytes` together, uv's cache included, as far as they are not in use."""

    def __init__(self, directory: Path, environ: Mapping[str, str], limit_bytes: int = DEFAULT_LIMIT_BYTES) -> None:
        self._directory, self._limit = directory, limit_bytes
        cache = {"UV_CACHE_DIR": str(directory / ".uv"), "UV_PYTHON_INSTALL_DIR": str(directory / ".python")}
        self._environ = {**building_environment(environ), **cache, "UV_NO_PROGRESS": "1", "NO_COLOR": "1"}

    async def resolve(self, wanted: Wanted, on_line: OnLine) -> Locked:
        """Raises `EnvironmentFailed` with the resolver's own message."""
        return await resolve(wanted, self._environ, on_line)

    async def hold(self, locked: Locked, on_line: OnLine) -> Held:
        """The environment, built first if it is not there. Raises `EnvironmentFailed`."""
        path = self._directory / locked.digest
        state = "hit"
        while True:
            if self._is_stale(path):
                await asyncio.to_thread(self._remove, path)
            elif (lock := self._use(path)) is not None:
                self._link_rayfaas()
                return Held(path, state, lock)
            if await self._build_locked(locked, path, on_line):
                state = "built"
            else:
                await asyncio.sleep(_LOOK_S / 10)  # somebody was faster, or is removing it

    def listed(self) -> list[dict[str, Any]]:
        """Those that are whole, the last used first."""
        found = [each for mark in self._directory.glob(f"*/{_MARK}") if (each := self._described(mark))]
        return sorted(found, key=lambda each: float(each["used_at"]), reverse=True)

    # Using

    def _use(self, path: Path) -> int | None:
        """A shared lock on an environment that is whole; None where it is not, or is being built or removed."""
        mark = path / _MARK
        if not mark.exists():
            return None
        lock = self._open_lock(path)
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            os.utime(mark)
        except (BlockingIOError, FileNotFoundError):
            os.close(lock)
            return None
        return lock

    def _is_stale(self, path: Path) -> bool:
        """Whether it was built under another name, where its programs look for one another, or has lost its Python."""
        if not (path / _MARK).exists():
            return False
        paths = [file.read_text() for file in path.glob(f"lib/python*/site-packages/{_PATHS}")]
        return self._paths() not in paths or not (path / "bin" / "python").exists()

    def _open_lock(self, path: Path) -> int:
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        return os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)

    # Building

    async def _build_locked(self, locked: Locked, path: Path, on_line: OnLine) -> bool:
        """Whether it was built here: somebody else may have been faster."""
        lock = -1
        try:
            lock = self._open_lock(path)
            if not await _acquire(lock, path / _MARK, on_line):
                return False
            started = time.monotonic()
            await asyncio.to_thread(self._make_room)
            try:
                await self._build(locked, path, lock, on_line)
            except BaseException:  # a cancel too: half an environment is none
                await asyncio.shield(asyncio.to_thread(shutil.rmtree, path, True))
                raise
            on_line(f"built in {time.monotonic() - started:.1f} s")
            return True
        except OSError as error:
            raise _no_room(error, self._directory) from error
        finally:
            if lock >= 0:
                os.close(lock)

    async def _build(self, locked: Locked, path: Path, lock: int, on_line: OnLine) -> None:
        await asyncio.to_thread(shutil.rmtree, path, True)  # what an interrupted build left
        python = await interpreter(locked.python, self._environ, on_line)
        await asyncio.to_thread(path.mkdir, 0o700)
        await self._run(uv("venv", "--quiet", "--python", str(python), "--allow-existing", "."), path, lock, on_line)
        if locked.packages:
            file = path / "rayfaas.lock"
            file.write_text("\n".join(locked.packages) + "\n")
            on_line(f"installing {len(locked.packages)} packages")
            install = uv("pip", "install", "--no-deps", "--python", "bin/python", "-r", file.name)
            await self._run(install, path, lock, on_line, "Installing the packages")
        self._show_rayfaas(path)
        for command in locked.setup:
            on_line(f"setup: {command}")
            await self._run(["/bin/sh", "-ec", command], path, lock, on_line, f"The setup command `{command}`")
        await asyncio.to_thread(self._mark, locked, path)

    async def _run(
        self, command: list[str], path: Path, lock: int, on_line: OnLine, what: str = "Making the environment"
    ) -> None:
        inside = {"VIRTUAL_ENV": str(path), "PATH": f"{path / 'bin'}:{self._environ.get('PATH', '/usr/bin:/bin')}"}
        await run(command, {**self._environ, **inside}, on_line, what, path, [lock])

    def _show_rayfaas(self, path: Path) -> None:
        """Have its Python find rayfaas, after everything that is installed."""
        self._link_rayfaas()
        for packages in path.glob("lib/python*/site-packages"):
            (packages / _PATHS).write_text(self._paths())

    def _paths(self) -> str:
        return f"{self._directory / '.rayfaas'}\n"

    def _link_rayfaas(self) -> None:
        """To this server's: an upgrade may have put it elsewhere."""
        code = self._directory / ".rayfaas" / "rayfaas"
        code.parent.mkdir(exist_ok=True)
        source = Path(rayfaas.__file__).parent
        if not code.is_symlink() or code.readlink() != source:
            scratch = code.with_name(f"rayfaas.{os.getpid()}")
            scratch.unlink(missing_ok=True)
            scratch.symlink_to(source)
            scratch.rename(code)

    def _mark(self, locked: Locked, path: Path) -> None:
        described = {
            "python": locked.python,
            "packages": list(locked.packages),
            "setup": list(locked.setup),
            "size_mb": round(_size(path, set()) / 1e6, 1),
            "built_at": time.time(),
        }
        scratch = path / f"{_MARK}.new"
        with scratch.open("w") as file:
            json.dump(described, file)
            file.flush()
            os.fsync(file.fileno())
        scratch.rename(path / _MARK)

    # Removing

    def _make_room(self) -> None:
        """Remove the least recently used until the limit holds; uv's cache last, for it is only time."""
        for old in reversed(self.listed()):
            if self._total() <= self._limit:
                return
            self._remove(self._directory / str(old["digest"]))
        if self._total() > self._limit:
            shutil.rmtree(self._directory / ".uv", ignore_errors=True)

    def _remove(self, path: Path) -> None:
        lock = self._open_lock(path)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            (path / _MARK).unlink(missing_ok=True)
            shutil.rmtree(path, ignore_errors=True)
        except BlockingIOError:
            pass  # a zygote uses it
        finally:
            os.close(lock)

    def _total(self) -> int:
        return _size(self._directory, set())

    def _described(self, mark: Path) -> dict[str, Any] | None:
        try:
            return {"digest": mark.parent.name, **json.loads(mark.read_text()), "used_at": mark.stat().st_mtime}
        except (FileNotFoundError, ValueError):
            return None  # it is being removed


async def _acquire(lock: int, mark: Path, on_line: OnLine) -> bool:
    """Whether it is ours to build: not if it is whole meanwhile, and perhaps in use."""
    told = False
    while (ours := _try(lock, mark)) is None:
        if not told:
            on_line("waiting for another process that builds it")
            told = True
        await asyncio.sleep(_LOOK_S)
    return ours


def _try(lock: int, mark: Path) -> bool | None:
    """None while somebody else has the lock, and it is not whole."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False if mark.exists() else None
    return not mark.exists()


def _size(directory: Path, seen: set[int]) -> int:
    """Bytes on disk; files with several names, as uv makes them, are counted once."""
    total = 0
    try:
        entries = list(os.scandir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return 0
    for entry in entries:
        try:
            if entry.is_dir(follow_symlinks=False):
                total += _size(Path(entry.path), seen)
                continue
            stat = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue
        if stat.st_ino not in seen:
            seen.add(stat.st_ino)
            total += stat.st_blocks * 512
    return total


def _no_room(error: OSError, directory: Path) -> EnvironmentFailed:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return EnvironmentFailed(f"The disk of {directory} is full: the environment could not be built.")
    return EnvironmentFailed(f"The environment could not be built in {directory}: {error}")
