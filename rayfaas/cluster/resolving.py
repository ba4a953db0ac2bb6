"""From what a function asks for to the lock of its environment: the version of each package, decided at the deploy.

What an executor itself imports is resolved together with the function's packages, with lower bounds only: so there is
one pydantic and one msgspec in the process, of a version that suits both, and where the function's pins leave none the
resolver says so at the deploy. rayfaas's own code is not among them: an environment sees that of its server.
"""

from __future__ import annotations

import platform
import re
import tempfile
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from rayfaas.cluster.interpreters import interpreter, minor, version_of
from rayfaas.cluster.uv import OnLine, run, uv
from rayfaas.environment import Locked, Wanted
from rayfaas.errors import EnvironmentFailed

# What the executor imports of rayfaas's dependencies: the command line's are not needed there.
_NEEDED = {"cloudpickle", "httpx", "msgspec", "pydantic", "python-multipart", "sniffio"}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


async def resolve(wanted: Wanted, environ: Mapping[str, str], on_line: OnLine) -> Locked:
    """Raises `EnvironmentFailed` with the resolver's own message."""
    path = await interpreter(wanted.python, environ, on_line)
    python = wanted.python if wanted.python.startswith("/") else minor(_version(path))
    on_line(f"resolving {len(wanted.packages)} requirements for Python {python}")
    asked = [each for each in wanted.packages if name_of(each) != "rayfaas"]
    if wanted.ray:
        asked.append(_ray(python))
    try:
        packages = await _compile([*asked, *own_requirements()], path, environ, on_line)
    except EnvironmentFailed as error:
        raise await _explained(error, asked, path, environ) from None
    return Locked(wanted.digest, python, packages, wanted.setup)


async def _compile(lines: list[str], python: Path, environ: Mapping[str, str], on_line: OnLine) -> tuple[str, ...]:
    with tempfile.TemporaryDirectory(prefix="rayfaas-resolve-") as directory:
        file = Path(directory) / "packages"
        file.write_text("\n".join(lines) + "\n")
        command = uv("pip", "compile", "--no-header", "--no-annotate", "--quiet", "--python", str(python), file.name)
        compiled = await run(command, environ, on_line, "Resolving the packages", cwd=Path(directory))
    return tuple(line.strip() for line in compiled.splitlines() if line.strip() and not line.startswith("#"))


async def _explained(
    error: EnvironmentFailed, asked: list[str], python: Path, environ: Mapping[str, str]
) -> EnvironmentFailed:
    """Is it the packages among themselves, or what rayfaas needs beside them?"""
    try:
        await _compile(asked, python, environ, lambda _: None)
    except EnvironmentFailed as without:
        return without
    needs = ", ".join(own_requirements())
    return EnvironmentFailed(
        f"The packages fit each other, but not what rayfaas needs where functions run: {needs}.",
        output=error.extra.get("output", ""),
    )


def own_requirements() -> list[str]:
    """What rayfaas needs where functions run."""
    required = metadata.requires("rayfaas") or []
    return [each for each in required if ";" not in each and name_of(each) in _NEEDED]


def name_of(requirement: str) -> str:
    """
    >>> name_of("Typing_Extensions[x]>=4")
    'typing-extensions'
    """
    match = _NAME.match(requirement)
    return re.sub(r"[-_.]+", "-", match[0]).lower() if match else ""


def _ray(python: str) -> str:
    """The cluster's own Ray: it refuses to be joined by another, or from another Python."""
    here = minor(platform.python_version())
    if python != here:
        raise EnvironmentFailed(f"ray=True needs the cluster's Python, {here}; this asks for {python}.")
    return f"ray=={metadata.version('ray')}"


def _version(path: Path) -> str:
    version = version_of(path)
    if version is None:
        raise EnvironmentFailed(f"{path} does not run.")
    return version
