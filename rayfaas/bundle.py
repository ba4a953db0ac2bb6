"""Bundles: the code of a function as one archive, the same bytes on every machine for the same content."""

from __future__ import annotations

import ast
import hashlib
import inspect
import io
import json
import os
import platform
import sys
import tokenize
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING, Any

from rayfaas.errors import BadRequest, BodyTooLarge
from rayfaas.later import Later
from rayfaas.modules import import_closure
from rayfaas.pickled import pickle_function, referenced_modules
from rayfaas.project import Project, SourceFile
from rayfaas.source import check_import

if TYPE_CHECKING:
    from rayfaas import spec as models
    from rayfaas.declared import Declared
    from rayfaas.spec import Entry
else:
    models = Later("rayfaas.spec")

MAX_BYTES = 256 << 20

PICKLE = "function.pickle"
PICKLE_META = "function.json"

# The first moment that a ZIP archive can tell, and rw-r--r--: content alone decides about the digest.
_MOMENT = (1980, 1, 1, 0, 0, 0)
_MODE = 0o100644 << 16


@dataclass(frozen=True)
class Bundle:
    """`digest` is the SHA-256 of `archive`. `syntax_digest` ignores comments and layout of Python files."""

    digest: str
    archive: bytes = field(repr=False)
    entry: Entry
    syntax_digest: str
    files: tuple[str, ...]
    path: Path
    """Where it was taken from: the function's file, or for a pickle the working directory."""


def bundle_file(file: Path, attribute: str, include: Iterable[str] = (), project: Project | None = None) -> Bundle:
    """The module in `file`, the project's modules that it may import, and the data files of the `include` globs.

    Raises `ImportFailed` where a file does not parse, `BadRequest` where one lies outside of the project, and
    `BodyTooLarge` over 256 MiB.
    """
    project = project or Project.of_file(file)
    check_import(project.read(file))
    sources = import_closure(project, file, _included(file, include))
    entry = models.Entry(module=project.module_name(file), name=attribute)
    return _bundle(sources, entry, file)


def bundle_function(function: Declared) -> Bundle:
    """The code of a function or class of this program: its file as it is on disk now, or a pickle where it has none.

    A pickle is made of what was typed into a notebook or REPL, or made by `exec` or inside of another function.
    """
    module = sys.modules.get(function.__module__)
    file = _file_of(function, module)
    attribute = _attribute_of(function, module)
    if module is None or file is None or attribute is None:
        return _bundle_pickle(function)
    name = getattr(module.__spec__, "name", None) or module.__name__
    project = Project.of_file(file) if name == "__main__" else Project.of_module(name, file)
    return bundle_file(file, attribute, function.include, project)


def _file_of(function: Declared, module: Any) -> Path | None:
    """The file that defines it, if one does: what `exec` defines names a file that does not exist."""
    file = getattr(module, "__file__", None)
    if file is None or not file.endswith(".py") or not os.path.isfile(file):
        return None
    code = _code_of(function.wrapped)
    if code is not None and not (os.path.isfile(code.co_filename) and os.path.samefile(code.co_filename, file)):
        return None
    return Path(file)


def _code_of(wrapped: Any) -> CodeType | None:
    """Of a class that of any function in it, which has been read from the same file."""
    own = vars(wrapped).values() if inspect.isclass(wrapped) else [inspect.unwrap(wrapped)]
    return next((value.__code__ for value in own if hasattr(value, "__code__")), None)


def _attribute_of(function: Declared, module: Any) -> str | None:
    """The name under which its module holds it, decorated or not."""
    names = vars(module) if module is not None else {}
    holders = [name for name, value in names.items() if value is function]
    holders += [name for name, value in names.items() if value is function.wrapped]
    return holders[0] if holders else None


def _included(file: Path, globs: Iterable[str]) -> list[Path]:
    found: dict[Path, None] = {}
    for pattern in globs:
        matches = _matches(file.absolute().parent, pattern)
        if not matches:
            raise BadRequest(f"include={pattern!r} matches no file in {file.absolute().parent}.")
        found.update(dict.fromkeys(matches))
    _check_size({str(path): path.stat().st_size for path in found})
    return list(found)


def _matches(directory: Path, pattern: str) -> list[Path]:
    """Files that a glob matches; a directory is all the files in it."""
    try:
        matches = list(directory.glob(pattern))
    except (NotImplementedError, ValueError, IndexError) as error:  # IndexError: the glob is `.`
        raise BadRequest(f"include={pattern!r} is not a glob below {directory}: {error}") from None
    paths = [path for match in matches for path in (match.rglob("*") if match.is_dir() else [match])]
    return sorted(path for path in paths if path.is_file() and "__pycache__" not in path.parts)


def _bundle_pickle(function: Declared) -> Bundle:
    directory = Path.cwd()
    project = Project(directory.resolve())
    if function.include:
        raise BadRequest(f"{function.name} has no file that include= could be relative to: it is deployed as a pickle.")
    data = pickle_function(function.wrapped)
    sources: dict[str, SourceFile] = {}
    for module in referenced_modules(data):
        for path in project.files_of(module):
            sources |= import_closure(project, path)
    meta = {"python": ".".join(platform.python_version_tuple()[:2])}
    if (source := _source_of(function.wrapped)) is not None:
        meta["source"] = source
    for name, content in ((PICKLE, data), (PICKLE_META, json.dumps(meta).encode())):
        sources[name] = SourceFile(name, directory / name, content)
    return _bundle(sources, models.Entry(kind="pickle", module="function", name=function.wrapped.__name__), directory)


def _source_of(wrapped: Any) -> str | None:
    """Its text, for people to read, where the notebook or the shell knows it."""
    try:
        return inspect.getsource(wrapped)
    except (OSError, TypeError, IndentationError, tokenize.TokenError):
        return None


def _bundle(sources: Mapping[str, SourceFile], entry: Entry, path: Path) -> Bundle:
    _check_size({name: len(source.content) for name, source in sources.items()})
    archive = _archive(sources)
    return Bundle(
        digest=hashlib.sha256(archive).hexdigest(),
        archive=archive,
        entry=entry,
        syntax_digest=_syntax_digest(sources),
        files=tuple(sorted(sources)),
        path=path,
    )


def _check_size(sizes: Mapping[str, int]) -> None:
    total = sum(sizes.values())
    if total > MAX_BYTES:
        largest = max(sizes, key=lambda name: sizes[name])
        raise BodyTooLarge(
            f"The bundle has {total / 2**20:,.0f} MiB and the limit is {MAX_BYTES >> 20} MiB; its largest file is "
            f"{largest} with {sizes[largest] / 2**20:,.0f} MiB. Large data is better read from where it lies.",
            limit=MAX_BYTES,
        )


def _archive(sources: Mapping[str, SourceFile]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(sources):
            info = zipfile.ZipInfo(name, _MOMENT)
            info.create_system, info.external_attr = 3, _MODE
            archive.writestr(info, sources[name].content)
    return buffer.getvalue()


def _syntax_digest(sources: Mapping[str, SourceFile]) -> str:
    digest = hashlib.sha256()
    for name in sorted(sources):
        source = sources[name]
        content = ast.dump(source.tree).encode("utf-8", "surrogatepass") if source.is_python else source.content
        digest.update(f"{name}\0{hashlib.sha256(content).hexdigest()}\n".encode())
    return digest.hexdigest()
