"""The lines of zygotes of a supervisor: one for each environment that it hosts functions in."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rayfaas.cluster.environments import Environments, Held
from rayfaas.cluster.generations import Generations
from rayfaas.cluster.surroundings import environment_of, user_environment
from rayfaas.cluster.uv import OnLine, run
from rayfaas.cluster.zygotes import OnExit
from rayfaas.environment import Locked
from rayfaas.errors import EnvironmentFailed, Unavailable

_log = logging.getLogger("rayfaas.supervisor")

BASE = ""
# A line that no executor has used for so long ends: its memory is free, and its environment may be removed.
IDLE_S = 1800.0


class Line:
    """The zygotes of one environment. `held` keeps that in place; the server's own needs no holding."""

    def __init__(self, generations: Generations, held: Held | None) -> None:
        self.generations, self.held = generations, held
        self.used_at = time.monotonic()

    async def stop(self) -> None:
        await self.generations.stop()
        if self.held is not None:
            self.held.release()


class Lines:
    """Those that are up, by the digest of their environment."""

    def __init__(
        self, environments: Environments, environ: Mapping[str, str], also: tuple[str, ...], on_exit: OnExit
    ) -> None:
        self._environments, self._environ, self._also, self._on_exit = environments, environ, also, on_exit
        base = Generations(sys.executable, user_environment(environ, also), on_exit)
        self._lines = {BASE: Line(base, None)}
        self._starting: dict[str, asyncio.Task[Line]] = {}

    async def of(self, locked: Locked | None, on_line: OnLine = lambda _: None) -> Line:
        """The line of an environment, which is built first if it is not there. Raises `EnvironmentFailed`."""
        line = self._lines.get(locked.digest if locked is not None else BASE)
        if line is None:
            assert locked is not None
            line = await self._start(locked, on_line)
        line.used_at = time.monotonic()
        return line

    async def prepare(self, locked: Locked, on_line: OnLine) -> str:
        """Have it built; `hit` where it was, else `built`."""
        if locked.digest in self._lines:
            return "hit"
        line = await self.of(locked, on_line)
        return line.held.state if line.held is not None else "hit"

    def preloaded(self) -> dict[str, dict[str, Any]]:
        """What the newest zygote of each has loaded, and what it refused and why."""
        return {digest: line.generations.preloaded() for digest, line in self._lines.items()}

    def end_idle(self, in_use: set[str]) -> list[asyncio.Task[None]]:
        """End the lines, other than those in use, that were not used for long."""
        limit = time.monotonic() - IDLE_S
        old = [d for d, line in self._lines.items() if d != BASE and d not in in_use and line.used_at < limit]
        for digest in old:
            _log.info("no executor has used environment %s for long: its zygote ends", digest[:12])
        return [asyncio.ensure_future(self._lines.pop(digest).stop()) for digest in old]

    async def stop(self) -> None:
        for task in self._starting.values():
            task.cancel()
        await asyncio.gather(*(line.stop() for line in self._lines.values()))

    async def _start(self, locked: Locked, on_line: OnLine) -> Line:
        """One at a time; who asks meanwhile waits for that one. It goes on if nobody waits any more."""
        digest = locked.digest
        task = self._starting.get(digest)
        if task is None:
            task = self._starting[digest] = asyncio.ensure_future(self._begin(locked, on_line))
            task.add_done_callback(lambda _: self._starting.pop(digest, None))
        return await asyncio.shield(task)

    async def _begin(self, locked: Locked, on_line: OnLine) -> Line:
        held = await self._environments.hold(locked, on_line)
        try:
            environ = environment_of(held.path, self._environ, self._also)
            generations = Generations(str(held.python), environ, self._on_exit)
            try:
                await generations.newest()
            except (Unavailable, OSError):
                await _check(held.python, environ)
                raise
        except BaseException:  # a cancel too: nobody uses it then
            held.release()
            raise
        line = self._lines[locked.digest] = Line(generations, held)
        return line


async def _check(python: Path, environ: Mapping[str, str]) -> None:
    """Of a Python that can't load the zygote none ever comes up, and to try again does not help. Raises
    `EnvironmentFailed` with what it said."""
    command = [str(python), "-c", "import rayfaas.executor.zygote"]
    try:
        await run(command, environ, lambda _: None, "Loading rayfaas into the environment", Path("/"))
    except OSError as error:
        raise EnvironmentFailed(f"The environment's Python can't be started: {error}") from error
