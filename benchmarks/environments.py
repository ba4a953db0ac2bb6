"""A virtual environment for each peer, so that nobody's pins decide what another runs on.

They are made on first use under benchmarks/.peers, from the Python that runs the benchmark, with pinned versions.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.errors import BenchmarkError

PEERS = Path(__file__).parent / ".peers"


@dataclass(frozen=True)
class Environment:
    """`requirements` are pip's, each pinned with ==. The environment is made anew when they change."""

    name: str
    requirements: tuple[str, ...]

    def version_of(self, distribution: str) -> str:
        """The version that a requirement pins.

        >>> Environment("peer", ("litserve==0.2.19",)).version_of("litserve")
        '0.2.19'
        """
        return dict(requirement.split("==", 1) for requirement in self.requirements)[distribution]

    @property
    def path(self) -> Path:
        return PEERS / self.name

    @property
    def python(self) -> Path:
        return self.path / "bin" / "python"

    def binary(self, name: str) -> Path:
        return self.path / "bin" / name

    @property
    def is_installed(self) -> bool:
        return self._receipt.exists() and json.loads(self._receipt.read_text()) == list(self.requirements)

    def install(self) -> None:
        """Make the environment where it is missing or other than asked for. Takes up to a minute."""
        if self.is_installed:
            return
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        _run([sys.executable, "-m", "venv", str(self.path)])
        _run([str(self.python), "-m", "pip", "install", "--quiet", *self.requirements])
        self._receipt.write_text(json.dumps(self.requirements))

    @property
    def _receipt(self) -> Path:
        """Written last: an installation that was interrupted is not taken for a whole one."""
        return self.path / "requirements.json"


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise BenchmarkError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
