"""The packages that files of a project name: a requirements file, the dependencies in a pyproject.toml."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from rayfaas.errors import BadRequest

_INCLUDE = re.compile(r"(?:-r|--requirement)[\s=]+(.+)")
_HASH = re.compile(r"\s+--hash[\s=]\S+")
_COMMENT = re.compile(r"(^|\s)#.*$")


def read_requirements(file: Path) -> list[str]:
    """The requirements in a file, and in those that it includes with `-r`.

    Raises `BadRequest` for what a server can't follow: local paths, and options such as an index.
    """
    return list(_lines(file.resolve(), ()))


def read_pyproject(file: Path, extras: Sequence[str]) -> list[str]:
    """The dependencies of the project around `file`, and those of its `extras`."""
    found = next(
        (each / "pyproject.toml" for each in file.absolute().parents if (each / "pyproject.toml").is_file()), None
    )
    if found is None:
        raise BadRequest(f"There is no pyproject.toml in the directories above {file}.")
    project = _table(found)
    optional = project.get("optional-dependencies", {})
    if missing := [extra for extra in extras if extra not in optional]:
        known = ", ".join(optional) or "none"
        raise BadRequest(f"{found} has no extra {', '.join(missing)}. Its extras: {known}.")
    return [*project.get("dependencies", []), *(each for extra in extras for each in optional[extra])]


def _lines(file: Path, above: tuple[Path, ...]) -> Iterator[str]:
    if file in above:
        raise BadRequest(f"{file} includes itself.")
    for line in _text(file).replace("\\\n", " ").splitlines():
        line = _HASH.sub("", _COMMENT.sub("", line)).strip()
        if included := _INCLUDE.fullmatch(line):
            yield from _lines((file.parent / included[1].strip()).resolve(), (*above, file))
        elif line.startswith("-"):
            raise BadRequest(
                f"{file}: {line!r} is an option, and the server decides on those: name packages only. Local code is "
                "deployed with the function that imports it, and needs no -e."
            )
        elif line.startswith((".", "/")):
            raise BadRequest(f"{file}: {line!r} is a path on this machine. Import the code: then it is deployed.")
        elif line:
            yield line


def _table(file: Path) -> dict[str, Any]:
    try:
        project = tomllib.loads(_text(file)).get("project")
    except tomllib.TOMLDecodeError as error:
        raise BadRequest(f"{file} is not valid TOML: {error}") from None
    if not isinstance(project, dict):
        raise BadRequest(f"{file} has no table [project].")
    return project


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequest(f"{file} can't be read: {error}") from None
