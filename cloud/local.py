"""Machines that are processes of this one: a boot script in a session of its own.

For trying things out, with as many GPUs as the script says it has, and for clusters on one machine. They outlive
whoever made them; what is known of each is in its folder, so that another process finds it: a process is told from a
later one with its number by the time at which it began.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rayfaas.cloud.adapter import Capabilities, Finding
from rayfaas.cloud.errors import Refused
from rayfaas.cloud.machine import Claim, Instance, InstanceState, Machine
from rayfaas.cloud.owned import OwnedAdapter
from rayfaas.cloud.prices import Prices

# Who does not end by itself within so long is killed.
END_S = 30.0
# The limit that a process may have set itself, as who starts a machine does for a while, is not the machine's.
_OWN_LIMIT = 'ulimit -S -d "$(ulimit -H -d)"'
_MACHINE, _PROCESS, _ENDING = "machine.json", "process.json", "ending.json"


class LocalAdapter(OwnedAdapter):
    """Each machine is a folder of `directory`, which its owner only may enter."""

    provider = "local"
    capabilities = Capabilities()
    credentials_advice = "See that the directory of [local] in clouds.toml can be written by the server's user."

    def __init__(self, owner: str, directory: str | Path = "~/.rayfaas/machines", prices: Prices | None = None) -> None:
        super().__init__(owner, prices)
        self._directory = Path(directory).expanduser()

    def _check(self) -> Iterable[Finding]:
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=self._directory).close()
        except OSError as error:
            yield Finding("directory", "failed", str(error), self.credentials_advice)
        else:
            yield Finding("directory", "ok", str(self._directory))

    def _launch(self, machine: Machine, claim: Claim) -> Instance:
        """The folder is there whole or not at all; one that has no process yet is a machine that is stopped."""
        folder = self._directory / claim.name()
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            scratch = Path(tempfile.mkdtemp(prefix=".new-", dir=self._directory))
            told = {"tags": claim.tags(), "machine": asdict(machine)}
            (scratch / _MACHINE).write_text(json.dumps(told))
            scratch.rename(folder)
            _start(folder, machine.boot_script)
        except OSError as error:
            raise Refused(f"{folder} can't be made or its script not be started: {error}") from error
        return self._look(folder.name)

    def _look(self, instance_id: str) -> Instance:
        folder = self._directory / instance_id
        told = _read(folder / _MACHINE)
        if "/" in instance_id or told is None:
            return Instance(instance_id, "GONE")
        state = _state(folder)
        if state == "GONE":
            shutil.rmtree(folder, ignore_errors=True)
            return Instance(instance_id, "GONE")
        address, machine = ("127.0.0.1" if state == "RUNNING" else None), told["machine"]
        return Instance(instance_id, state, told["tags"], address, address, machine["type"], machine["place"])

    def _list(self) -> Iterable[Instance]:
        found = sorted(self._directory.glob("rf-*")) if self._directory.is_dir() else []
        return [self._look(folder.name) for folder in found]

    def _start(self, instance: Instance) -> None:
        folder = self._directory / instance.id
        told = _read(folder / _MACHINE)
        if told is not None:
            (folder / _ENDING).unlink(missing_ok=True)
            _start(folder, told["machine"]["boot_script"])

    def _stop(self, instance: Instance) -> None:
        _end(self._directory / instance.id, "STOPPED")

    def _terminate(self, instance: Instance) -> None:
        _end(self._directory / instance.id, "GONE")


def _start(folder: Path, script: str) -> None:
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            ["/bin/sh", "-c", f"{_OWN_LIMIT}\n{script or 'exec sleep infinity'}"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            start_new_session=True,
        )
    process.returncode = 0  # its end is looked for by `_began`, also by processes that are not its parent
    _write(folder / _PROCESS, {"pid": process.pid, "began": _began(process.pid)})


def _end(folder: Path, then: InstanceState) -> None:
    _write(folder / _ENDING, {"then": then, "at": time.time()})
    _signal(folder, signal.SIGTERM)


def _state(folder: Path) -> InstanceState:
    ending = _read(folder / _ENDING)
    process = _read(folder / _PROCESS)
    is_alive = process is not None and process["began"] is not None and _began(process["pid"]) == process["began"]
    if ending is None:
        return "RUNNING" if is_alive else "STOPPED"
    if not is_alive:
        _kill_left(folder)
        return "STOPPED" if ending["then"] == "STOPPED" else "GONE"
    if time.time() - ending["at"] > END_S:
        _signal(folder, signal.SIGKILL)
    return "STOPPING" if ending["then"] == "STOPPED" else "TERMINATING"


def _kill_left(folder: Path) -> None:
    """What it left behind in its session. Once: later the number may be that of somebody else's."""
    process = _read(folder / _PROCESS)
    if process is None:
        return
    with contextlib.suppress(FileExistsError):
        (folder / f"killed-{process['began']}").touch(exist_ok=False)
        _signal(folder, signal.SIGKILL)


def _signal(folder: Path, number: signal.Signals) -> None:
    """To its leader first to end in order, or to all of them at once."""
    process = _read(folder / _PROCESS)
    if process is None or (_began(process["pid"]) != process["began"] and not _is_free(process["pid"])):
        return
    with contextlib.suppress(ProcessLookupError):
        if number == signal.SIGKILL:
            os.killpg(process["pid"], number)
        else:
            os.kill(process["pid"], number)


def _is_free(pid: int) -> bool:
    """Nobody has this number now, except as that of a group."""
    return not Path(f"/proc/{pid}").exists()


def _began(pid: int) -> int | None:
    """When a process began, in ticks since the machine's boot; None where it has ended."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # one of ours that has ended stays in the table until it is asked for
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else int(fields[19])


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return found


def _write(path: Path, value: dict[str, Any]) -> None:
    """Whole or not at all."""
    scratch = path.with_suffix(".new")
    scratch.write_text(json.dumps(value))
    scratch.rename(path)
