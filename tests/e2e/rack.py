"""A host of one's own as a server meets it over ssh: it has a home, and is on while its sshd and its processes run."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import psutil

from tests.cloud.test_ssh import Rack

T = TypeVar("T")

# As `[ssh]` of clouds.toml. Its power is switched by commands of the server's machine.
_SETTINGS = """
[ssh]
directory = "{directory}/memory"
options = ["-i", "{directory}/user_key", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile={directory}/known"]

[ssh.hosts.rack1]
address = "127.0.0.1"
port = {port}
type = "gpu"
start = "touch {directory}/wake"
stop = "touch {directory}/sleep"

[boot]
python = "{python}"
"""


class PoweredRack(Rack):
    """What runs there ends when it is switched off."""

    def settings(self, python: str) -> str:
        return _SETTINGS.format(directory=self.directory, port=self.port, python=python)

    def powered(self, answer: Callable[[], T]) -> Callable[[], T]:
        """The same question, asked by somebody who does what the power button was told before each time."""

        def ask() -> T:
            self.settle()
            return answer()

        return ask

    def off(self) -> None:
        super().off()
        ended = self.processes()
        for process in ended:
            process.terminate()
        psutil.wait_procs(ended, timeout=20)
        if (start := self.claim_file.with_name("boot.id")).exists():
            start.write_text("that of the start before")

    def processes(self) -> list[psutil.Process]:
        """Those whose home it is."""
        home = str(self.directory / "home")
        return [each for each in psutil.process_iter() if _home_of(each) == home]


def rack_in(directory: Path) -> PoweredRack:
    keys = directory / "keys"
    keys.mkdir(parents=True)
    for name in ("host_key", "user_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", keys / name], check=True)
    (directory / "rack").mkdir()
    return PoweredRack(directory / "rack", keys)


def outward_address() -> str:
    """An address of this machine that is not loopback, "" where it has none."""
    found = [each for addresses in psutil.net_if_addrs().values() for each in addresses]
    ours = [each.address for each in found if each.family == socket.AF_INET and not each.address.startswith("127.")]
    return next(iter(ours), "")


def forget(rack: PoweredRack) -> None:
    rack.off()
    shutil.rmtree(rack.directory.parent, ignore_errors=True)


def _home_of(process: psutil.Process) -> str:
    try:
        return process.environ().get("HOME", "")
    except (psutil.Error, OSError):
        return ""
