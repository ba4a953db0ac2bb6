"""Python interpreters of a node: those that are there, named or found, and those that uv can get."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from rayfaas.cluster.uv import OnLine, run, uv
from rayfaas.errors import EnvironmentFailed

# rayfaas runs on this and later ones.
OLDEST = (3, 10)
_ASK_S = 20.0
_PLACES = ("/usr/local/bin", "/usr/bin", "/opt/python*/bin", "~/.pyenv/versions/*/bin", "~/.local/bin")


async def interpreter(python: str, environ: Mapping[str, str], on_line: OnLine) -> Path:
    """The interpreter that `python` means: a path, a version such as 3.12, or "" for the server's own.

    Raises `EnvironmentFailed` that says which there are.
    """
    if not python:
        return Path(sys.executable)
    if python.startswith("/"):
        return await _named(Path(python))
    _check_age(python, _numbers(python))
    found = await asyncio.to_thread(_find, python)
    return found or await _got(python, environ, on_line)


def version_of(path: Path) -> str | None:
    """`3.12.1`, as the interpreter says it itself; None where it is none."""
    command = [str(path), "-I", "-c", "import platform; print(platform.python_version())"]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, timeout=_ASK_S, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.SubprocessError):
        return None
    return asked.stdout.strip() or None if asked.returncode == 0 else None


def minor(version: str) -> str:
    """
    >>> minor("3.12.1")
    '3.12'
    """
    return ".".join(version.split(".")[:2])


async def _named(path: Path) -> Path:
    version = await asyncio.to_thread(version_of, path)
    if version is None:
        raise EnvironmentFailed(f"{path} is no Python interpreter on this node.")
    _check_age(str(path), _numbers(version))
    return path


def _check_age(python: str, numbers: tuple[int, ...]) -> None:
    if numbers[:2] < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise EnvironmentFailed(f"Python {python} is too old: rayfaas runs on {oldest} and later.")


def _find(python: str) -> Path | None:
    for path in _candidates(minor(python)):
        version = version_of(path)
        if version is not None and (version == python or minor(version) == python):
            return path
    return None


def _candidates(name: str) -> Iterator[Path]:
    if f"{sys.version_info.major}.{sys.version_info.minor}" == name:
        yield Path(sys.executable)
    if found := shutil.which(f"python{name}"):
        yield Path(found)
    for place in _PLACES:
        directory = Path(os.path.expanduser(place))
        root = Path(directory.anchor)
        yield from sorted(root.glob(str(directory.relative_to(root) / f"python{name}")))


async def _got(python: str, environ: Mapping[str, str], on_line: OnLine) -> Path:
    """What uv knows of, or downloads."""
    on_line(f"getting Python {python}")
    try:
        await run(uv("python", "install", python), environ, on_line, "uv python install")
        found = await run(uv("python", "find", "--managed-python", python), environ, on_line, "uv python find")
    except EnvironmentFailed as error:
        there = await asyncio.to_thread(_installed)
        raise EnvironmentFailed(
            f"This node has no Python {python}, and uv could not get it. It has: {', '.join(there)}. Ask for one of "
            f'them, install Python {python} there, or name an interpreter: python="/path/to/python".',
            output=error.extra.get("output", ""),
        ) from None
    return Path(found.strip())


def _installed() -> list[str]:
    names = (f"3.{number}" for number in range(OLDEST[1], 20))
    return [name for name in names if _find(name)]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
