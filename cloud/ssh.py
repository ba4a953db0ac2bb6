"""Machines that are there already and are reached by ssh: a workstation, a rack.

To create one is to claim a host that nobody has: a file on it says whose it is, so that two installations can share a
pool. Terminating gives it back. It is switched on and off only where its owner says how; which hosts of ours are off is
remembered in `directory`, because they can't be asked then.
"""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from rayfaas.cloud.adapter import Capabilities, Finding
from rayfaas.cloud.errors import (
    Ambiguous,
    Capacity,
    CloudError,
    Credentials,
    NotReady,
    Refused,
    Unreachable,
    Unsupported,
)
from rayfaas.cloud.machine import ATTEMPT, OWNER, Claim, Instance, InstanceState, Machine
from rayfaas.cloud.owned import OwnedAdapter
from rayfaas.cloud.prices import Prices

CALL_S = 30.0
_OPTIONS = ("-o", "BatchMode=yes", "-o", "ConnectTimeout=5", "-o", "ServerAliveInterval=10")

# Which start of the machine it was is noted with the process: its number means nothing after the next.
_BOOT = (
    'setsid "$d/boot" > "$d/boot.log" 2>&1 < /dev/null & echo $! > "$d/boot.pid"; '
    'cat /proc/sys/kernel/random/boot_id > "$d/boot.id"'
)
_IS_UP = '[ "$(cat "$d/boot.id")" = "$(cat /proc/sys/kernel/random/boot_id)" ] && kill -0 "-$(cat "$d/boot.pid")"'
# The claim is linked into its place whole or not at all, and the boot script starts at once, with whoever claimed it
# gone or not; so it does when the host was switched on again. What was cut off on its way is dropped.
_CLAIM = f"""set -eu; umask 077; d="$HOME/.rayfaas"; mkdir -p "$d"; t=$(mktemp -d "$d/new.XXXXXX")
cat > "$t/all"; [ "$(wc -c < "$t/all")" -eq {{size}} ] || {{{{ rm -rf "$t"; exit 1; }}}}
head -n 1 "$t/all" > "$t/claim"; tail -n +2 "$t/all" > "$t/boot"; chmod 700 "$t/boot"
if ln "$t/claim" "$d/claim" 2> /dev/null && [ -s "$t/boot" ]; then
  mv "$t/boot" "$d/boot"; {_BOOT}
fi
rm -rf "$t"; cat "$d/claim" """
_READ = 'cat "$HOME/.rayfaas/claim" 2> /dev/null || true'
_RESUME = f"""umask 077; d="$HOME/.rayfaas"; [ -x "$d/boot" ] || exit 0
if {{ {_IS_UP}; }} 2> /dev/null; then exit 0; fi
{_BOOT}"""
_RELEASE = f"""d="$HOME/.rayfaas"; grep -q {{attempt}} "$d/claim" 2> /dev/null || exit 0
if {{{{ {_IS_UP}; }}}} 2> /dev/null; then
  p=$(cat "$d/boot.pid"); kill -TERM "-$p" 2> /dev/null; n=0
  while kill -0 "-$p" 2> /dev/null && [ $n -lt 50 ]; do sleep 0.2; n=$((n+1)); done
  kill -KILL "-$p" 2> /dev/null
fi
rm -f "$d/boot" "$d/boot.pid" "$d/boot.id" "$d/claim" """


@dataclass(frozen=True)
class Host:
    """A machine that is there. `start` and `stop` are commands for this machine: `wakeonlan 00:11:22:33:44:55`,
    `ipmitool -H bmc7 power on`, `ssh root@host7 poweroff`; without them it is never switched on or off."""

    address: str
    user: str = ""
    port: int = 22
    type: str = ""
    start: str = ""
    stop: str = ""


@dataclass(frozen=True)
class _Memory:
    """What can't be asked of a host that is off, written before it is switched."""

    claim: dict[str, str]
    switched: Literal["", "on", "off"] = ""


class SshAdapter(OwnedAdapter):
    """The hosts of a pool by name. A machine's `place` is one of them, else any of its `type`.

    `options` are given to `ssh` (`-i KEY`); `ssh` is the program.
    """

    provider = "ssh"
    credentials_advice = (
        "Run `ssh HOST true` as the user that runs the server: it has to work without a password, and the host's key"
        " has to be known."
    )

    def __init__(
        self,
        owner: str,
        hosts: Mapping[str, Mapping[str, Any]],
        options: Sequence[str] = (),
        ssh: str = "ssh",
        directory: str | Path = "~/.rayfaas/ssh",
        prices: Prices | None = None,
    ) -> None:
        super().__init__(owner, prices)
        self._hosts = {name: Host(**each) for name, each in hosts.items()}
        self._command = [ssh, *_OPTIONS, *options]
        self._directory = Path(directory).expanduser()

    @property
    def capabilities(self) -> Capabilities:  # type: ignore[override]
        return Capabilities(stop=any(each.stop and each.start for each in self._hosts.values()))

    def _check(self) -> Iterable[Finding]:
        for name, host in self._hosts.items():
            try:
                self._run(host, 'mkdir -p "$HOME/.rayfaas" && command -v setsid mktemp')
                yield Finding(f"reach {name}", "ok")
            except CloudError as error:
                off = bool(host.start) and isinstance(error, Unreachable)
                advice = "It may be off." if off else self.credentials_advice
                yield Finding(f"reach {name}", "unproven" if off else "failed", error.detail, advice)

    def _launch(self, machine: Machine, claim: Claim) -> Instance:
        content = f"{json.dumps(claim.tags())}\n{machine.boot_script}".encode()
        reached = False
        failed: CloudError | None = None
        for name in self._fitting(machine):
            try:
                said = self._run(self._hosts[name], _CLAIM.format(size=len(content)), content)
            except (Unreachable, Credentials) as error:
                failed = error
                continue
            reached = True
            if (found := _instance(name, self._hosts[name], said)).is_of(claim):
                self._remember(name, _Memory(claim.tags()))
                return found
        if failed is not None and not reached:
            raise failed
        raise Capacity(f"Every host that fits {machine.type or 'any type'} has somebody.")

    def _fitting(self, machine: Machine) -> list[str]:
        fitting = [
            name
            for name, host in self._hosts.items()
            if machine.place in ("", name) and machine.type in ("", host.type)
        ]
        if not fitting:
            raise Refused(f"There is no host {machine.place} of type {machine.type!r} among {', '.join(self._hosts)}.")
        return fitting

    def _look(self, instance_id: str) -> Instance:
        name, _, attempt = instance_id.partition("/")
        if name not in self._hosts:
            return Instance(instance_id, "GONE")
        found = self._at(name)
        if found is None or found.tags.get(ATTEMPT) != attempt:
            return Instance(instance_id, "GONE")
        return found

    def _list(self) -> Iterable[Instance]:
        return [found for name in self._hosts if (found := self._at(name)) is not None]

    def _at(self, name: str) -> Instance | None:
        """Who has this host; None where nobody has it. One that is off is whose we remember."""
        host, memory = self._hosts[name], self._memory(name)
        try:
            said = self._run(host, _READ)
        except Unreachable:
            if memory is None:
                return None
            off = _instance(name, host, json.dumps(memory.claim))
            state: InstanceState = "STOPPED" if host.start else "UNKNOWN"
            return replace(off, state="BOOTING" if memory.switched == "on" else state, address=None)
        if not said.strip():
            self._remember(name, None)
            return None
        found = _instance(name, host, said)
        going = memory is not None and memory.switched == "off" and memory.claim == found.tags
        if memory is not None and memory.switched == "on" and memory.claim == found.tags:
            self._run(host, _RESUME)
        if not going and found.tags.get(OWNER) == self.owner:
            self._remember(name, _Memory(dict(found.tags)))
        return replace(found, state="STOPPING") if going else found

    def _start(self, instance: Instance) -> None:
        name, host = self._host(instance)
        self._remember(name, _Memory(dict(instance.tags), "on"))
        _here(host.start, f"start {name}")

    def _stop(self, instance: Instance) -> None:
        name, host = self._host(instance)
        if not (host.start and host.stop):
            raise Unsupported(f"{name} has no commands `start` and `stop`, so it stays on.")
        self._remember(name, _Memory(dict(instance.tags), "off"))
        _here(host.stop, f"stop {name}")

    def _terminate(self, instance: Instance) -> None:
        name, host = self._host(instance)
        if instance.state == "STOPPED":
            self._start(instance)
            raise NotReady(f"{name} is off; it is switched on to be given back. Terminate it again.")
        self._run(host, _RELEASE.format(attempt=shlex.quote(instance.tags[ATTEMPT])))
        self._remember(name, None)

    def _host(self, instance: Instance) -> tuple[str, Host]:
        name = instance.id.partition("/")[0]
        return name, self._hosts[name]

    def _memory(self, name: str) -> _Memory | None:
        try:
            return _Memory(**json.loads(self._file(name).read_text()))
        except FileNotFoundError:
            return None

    def _remember(self, name: str, memory: _Memory | None) -> None:
        if memory is None:
            self._file(name).unlink(missing_ok=True)
            return
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = self._file(name).with_suffix(".new")
        new.write_text(json.dumps(memory.__dict__))
        new.replace(self._file(name))

    def _file(self, name: str) -> Path:
        return self._directory / f"{self.owner}-{name}.json"

    def _run(self, host: Host, script: str, content: bytes = b"") -> str:
        """What a shell on the host says to a script."""
        target = f"{host.user}@{host.address}" if host.user else host.address
        command = [*self._command, "-p", str(host.port), target, "--", script]
        try:
            done = subprocess.run(command, input=content, capture_output=True, timeout=CALL_S, check=False)
        except subprocess.TimeoutExpired:
            raise (Ambiguous if content else Unreachable)(f"{target} did not answer in {CALL_S:.0f} s.") from None
        except OSError as error:
            raise Refused(f"{command[0]} can't be run here: {error}") from None
        if done.returncode != 0:
            raise _of_end(done.returncode, done.stderr.decode(errors="replace").strip(), bool(content))(
                f"{target}: {done.stderr.decode(errors='replace').strip() or f'exit code {done.returncode}'}"
            )
        return done.stdout.decode()


def _instance(name: str, host: Host, said: str) -> Instance:
    tags = json.loads(said)
    return Instance(f"{name}/{tags.get(ATTEMPT, '')}", "RUNNING", tags, host.address, host.address, host.type, name)


def _of_end(code: int, said: str, claiming: bool) -> type[CloudError]:
    if code != 255:  # the host's answer, and not ssh's own
        return Refused
    if "Permission denied" in said or "Host key verification failed" in said:
        return Credentials
    not_sent = ("Connection refused", "timed out", "No route to host", "resolve hostname", "unreachable")
    return Ambiguous if claiming and not any(each in said for each in not_sent) else Unreachable


def _here(command: str, doing: str) -> None:
    """Run a command of the user's on this machine."""
    try:
        subprocess.run(shlex.split(command), capture_output=True, timeout=CALL_S, check=True, text=True)
    except subprocess.TimeoutExpired:
        raise Unreachable(f"Can't {doing}: {command} took longer than {CALL_S:.0f} s.") from None
    except subprocess.CalledProcessError as error:
        raise Refused(f"Can't {doing}: {command} ended with {error.returncode}: {error.stderr.strip()}") from None
    except OSError as error:
        raise Refused(f"Can't {doing}: {error}") from None
