"""uv, and what else builds an environment, as processes: their output line by line, their own words where they fail."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from uv import find_uv_bin

from rayfaas.errors import EnvironmentFailed

OnLine = Callable[[str], None]

# The end of what a process wrote, in lines, that is kept to explain its failure.
_TAIL = 60
_LONGEST_LINE = 1 << 20


def uv(*arguments: str) -> list[str]:
    """The command of the uv that is installed with rayfaas."""
    return [find_uv_bin(), *arguments]


async def run(
    command: Sequence[str],
    environ: Mapping[str, str],
    on_line: OnLine,
    what: str,
    cwd: Path | None = None,
    keep_open: Sequence[int] = (),
    input: str = "",
) -> str:
    """What it wrote to stdout. `on_line` hears each line of stderr.

    Raises `EnvironmentFailed` that says `what` failed, with its last output. Cancelled, it ends the process and what
    that has started. The file descriptors in `keep_open` stay open in it: a lock is held as long as the work goes on,
    even if whoever ordered it is killed.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(environ),
        cwd=cwd,
        pass_fds=keep_open,
        start_new_session=True,
        limit=_LONGEST_LINE,
    )
    tail: deque[str] = deque(maxlen=_TAIL)
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdin is not None
    try:
        process.stdin.write(input.encode())
        process.stdin.close()
        out, _ = await asyncio.gather(process.stdout.read(), _follow(process.stderr, tail, on_line))
        code = await process.wait()
    except BaseException:  # a cancel too: uv does not go on for nobody
        _kill_group(process.pid)
        await process.wait()
        raise
    if code != 0:
        output = "\n".join(tail) or out.decode(errors="replace")[-4000:]
        raise EnvironmentFailed(f"{what} failed (exit code {code}).", output=output)
    return out.decode(errors="replace")


async def _follow(stream: asyncio.StreamReader, tail: deque[str], on_line: OnLine) -> None:
    while line := await _line(stream):
        text = line.decode(errors="replace").rstrip()
        tail.append(text)
        on_line(text)


async def _line(stream: asyncio.StreamReader) -> bytes:
    try:
        return await stream.readuntil(b"\n")
    except asyncio.IncompleteReadError as error:
        return error.partial
    except asyncio.LimitOverrunError as error:
        return await stream.readexactly(error.consumed)


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # it ended by itself
