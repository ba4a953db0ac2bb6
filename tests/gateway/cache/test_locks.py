"""A key is one process's at a time, and nobody's when that ends, however it ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from rayfaas.gateway.cache.locks import Locks

HOLDER = """
import sys
from pathlib import Path
from rayfaas.gateway.cache.locks import Locks
locks = Locks(Path(sys.argv[1]))
print([locks.take(key) for key in sys.argv[2:]], flush=True)
sys.stdin.read()
"""


def hold(path: Path, *keys: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLDER, str(path), *keys]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_another_process_waits_for_its_end(tmp_path: Path) -> None:
    one, other, locks = "a" * 64, "b" * 64, Locks(tmp_path / "lock")
    with hold(tmp_path / "lock", one) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "[True]\n"
        assert (locks.take(one), locks.take(other)) == (False, True)
        holder.kill()
        holder.wait()
        assert locks.take(one)
    with hold(tmp_path / "lock", one, other) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "[False, False]\n"
        holder.communicate("")
    locks.free(one)
    with hold(tmp_path / "lock", one, other) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "[True, False]\n"
        holder.communicate("")
