"""Hosts as sshd plays them: Debian's where it is installed, else one of asyncssh's; the client is always `ssh`."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rayfaas.cloud.errors import Capacity, Refused, Unsupported
from rayfaas.cloud.machine import Machine
from rayfaas.cloud.ssh import SshAdapter
from rayfaas.cluster.local import free_ports
from tests.cloud.conformance import OWNER, STRANGER, Conformance, Failing, claim
from tests.cloud.sshd import Sshd
from tests.waiting import wait_until

SSHD = os.environ.get("SSHD") or shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")


class Rack:
    """One host. It is on while its sshd runs."""

    machine = Machine("gpu")

    def __init__(self, directory: Path, keys: Path) -> None:
        self.directory = directory
        (self.port,) = free_ports(1)
        self.claim_file = directory / "home" / ".rayfaas" / "claim"
        (directory / "home").mkdir()
        for name in ("host_key", "user_key", "user_key.pub"):
            shutil.copy(keys / name, directory / name)
        self.heal()
        self.ssh = directory / "ssh"
        self.ssh.write_text(
            f'#!/bin/sh\nssh "$@"\ne=$?\n[ -e {directory}/lost ] && case "$*" in *ln*) exit 255;; esac\nexit $e\n'
        )
        self.ssh.chmod(0o755)
        self.sshd: Sshd | RealSshd | None = None
        self.on()

    def adapter(self, owner: str = OWNER, **host: Any) -> SshAdapter:
        key = ("-i", str(self.directory / "user_key"), "-o", "StrictHostKeyChecking=no", "-o", "LogLevel=ERROR")
        known = ("-o", f"UserKnownHostsFile={self.directory / 'known'}")
        power = {"start": f"touch {self.directory}/wake", "stop": f"touch {self.directory}/sleep"}
        hosts = {"rack1": {"address": "127.0.0.1", "port": self.port, "type": "gpu", **power, **host}}
        return SshAdapter(owner, hosts, (*key, *known), str(self.ssh), self.directory / "memory")

    def fail(self, failing: Failing) -> None:
        if failing == "credentials":
            (self.directory / "authorized_keys").write_text("none\n")
        if failing == "lost":
            (self.directory / "lost").touch()

    def heal(self) -> None:
        (self.directory / "lost").unlink(missing_ok=True)
        shutil.copy(self.directory / "user_key.pub", self.directory / "authorized_keys")

    def settle(self) -> None:
        """What its power button was told, it does."""
        for name, switch in (("sleep", self.off), ("wake", self.on)):
            if (self.directory / name).exists():
                (self.directory / name).unlink()
                switch()

    def vanish(self, instance_id: str) -> None:
        self.claim_file.unlink()

    def count(self) -> int:
        return int(self.claim_file.exists())

    def on(self) -> None:
        if self.sshd is None:
            self.sshd = Sshd(self.port, self.directory) if SSHD is None else RealSshd(self.port, self.directory)

    def off(self) -> None:
        if self.sshd is not None:
            self.sshd.end()
            self.sshd = None


class RealSshd:
    """Debian's, as a process."""

    def __init__(self, port: int, directory: Path) -> None:
        config = directory / "sshd_config"
        config.write_text(
            f"Port {port}\nListenAddress 127.0.0.1\nHostKey {directory}/host_key\nPidFile none\nUsePAM no\n"
            f"AuthorizedKeysFile {directory}/authorized_keys\nStrictModes no\nSetEnv HOME={directory}/home\n"
        )
        assert SSHD is not None
        self._port = port
        self._process = subprocess.Popen([SSHD, "-D", "-e", "-f", config], stderr=subprocess.DEVNULL)
        wait_until(lambda: self._answers() or self._process.poll() is not None)
        assert self._process.poll() is None

    def end(self) -> None:
        self._process.terminate()
        self._process.wait()

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self._port), 1) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("keys")
    for name in ("host_key", "user_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory / name], check=True)
    return directory


@pytest.fixture
def provider(tmp_path: Path, keys: Path) -> Iterator[Rack]:
    rack = Rack(tmp_path, keys)
    yield rack
    rack.off()


class TestSsh(Conformance):
    never = frozenset({"capacity", "quota", "throttled", "down"})

    @pytest.fixture
    def provider(self, provider: Rack) -> Rack:
        return provider


def test_a_pool_that_is_taken_has_no_capacity(provider: Rack) -> None:
    provider.adapter(STRANGER).create(provider.machine, claim(STRANGER))
    with pytest.raises(Capacity):
        provider.adapter().create(provider.machine, claim())


def test_a_type_that_no_host_has_is_refused(provider: Rack) -> None:
    with pytest.raises(Refused):
        provider.adapter().create(Machine("tpu"), claim())


def test_the_boot_script_runs_until_the_host_is_given_back(provider: Rack, tmp_path: Path) -> None:
    script = f"#!/bin/sh\necho up > {tmp_path}/up\nexec sleep 600\n"
    adapter = provider.adapter()
    made = adapter.create(Machine("gpu", boot_script=script), claim())
    wait_until((tmp_path / "up").exists)
    pid = int((tmp_path / "home" / ".rayfaas" / "boot.pid").read_text())
    adapter.terminate(made.id)
    assert not is_running(pid)


def test_the_boot_script_runs_again_when_the_host_was_switched_on_again(provider: Rack, tmp_path: Path) -> None:
    script = f"#!/bin/sh\necho up >> {tmp_path}/up\nexec sleep 600\n"
    adapter = provider.adapter()
    made = adapter.create(Machine("gpu", boot_script=script), claim())
    wait_until((tmp_path / "up").exists)
    adapter.get(made.id)
    pid = tmp_path / "home" / ".rayfaas" / "boot.pid"
    first = int(pid.read_text())
    adapter.stop(made.id)
    os.killpg(first, signal.SIGKILL)
    pid.with_name("boot.id").write_text("that of the start before")
    provider.settle()
    assert adapter.get(made.id).state == "STOPPED"
    adapter.start(made.id)
    provider.settle()
    for _ in range(2):
        assert provider.adapter().get(made.id).state == "RUNNING"
    wait_until(lambda: (tmp_path / "up").read_text() == "up\nup\n")
    second = int(pid.read_text())
    adapter.terminate(made.id)
    assert second != first
    assert not is_running(second)


def test_what_is_cut_off_on_its_way_claims_nothing(provider: Rack) -> None:
    provider.ssh.write_text('#!/bin/sh\nhead -c 20 | ssh "$@"\n')
    with pytest.raises(Refused):
        provider.adapter().create(provider.machine, claim())
    assert provider.count() == 0


def test_a_host_that_does_not_answer_is_unknown_and_not_forgotten(provider: Rack) -> None:
    made = provider.adapter(start="", stop="").create(provider.machine, claim())
    provider.off()
    adapter = provider.adapter(start="", stop="")
    assert adapter.get(made.id).state == "UNKNOWN"
    assert [(each.id, each.claim) for each in adapter.find()] == [(made.id, made.claim)]


def test_a_host_without_commands_is_never_switched_off(provider: Rack) -> None:
    adapter = provider.adapter(stop="")
    made = adapter.create(provider.machine, claim())
    with pytest.raises(Unsupported):
        adapter.stop(made.id)


def test_a_host_that_somebody_else_has_now_is_not_ours(provider: Rack) -> None:
    adapter = provider.adapter()
    made = adapter.create(provider.machine, claim())
    provider.vanish(made.id)
    provider.adapter(STRANGER).create(provider.machine, claim(STRANGER))
    assert adapter.get(made.id).state == "GONE"
    assert adapter.terminate(made.id).state == "GONE"
    assert provider.count() == 1


def is_running(pid: int) -> bool:
    """Whether a process runs; one that nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
