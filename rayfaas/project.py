"""The directory that a program's modules are imported from, and which of its files are which modules."""

from __future__ import annotations

import ast
import os
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from rayfaas.errors import BadRequest, ImportFailed

# A file with the name of a module of the standard library does not win over it where that is loaded already, as most
# of them are in an executor. CPython's own tests are not, and test.py is what people call a first try.
_TAKEN = sys.stdlib_module_names - {"test"} | {"rayfaas"}


@dataclass(frozen=True)
class SourceFile:
    """A file that is bundled: `name` is its path below the root, with slashes."""

    name: str
    path: Path
    content: bytes

    @property
    def is_python(self) -> bool:
        return self.name.endswith(".py")

    @property
    def package(self) -> str:
        """What its relative imports are relative to."""
        return ".".join(self.name.split("/")[:-1])

    @cached_property
    def tree(self) -> ast.Module:
        """Its syntax tree. Raises `ImportFailed` with file and line where it does not parse."""
        try:
            return ast.parse(self.content, str(self.path))
        except SyntaxError as error:
            text = "".join(traceback.format_exception_only(error))
            place = f"{self.path}:{error.lineno}" if error.lineno else str(self.path)
            raise ImportFailed(f"{place} does not parse: {error.msg}", traceback=text) from None
        except ValueError as error:
            raise ImportFailed(f"{self.path} does not parse: {error}") from None
        except (MemoryError, RecursionError):  # what the parser says of its own limits
            raise ImportFailed(f"{self.path} does not parse: it is nested too deeply.") from None


@dataclass(frozen=True)
class Project:
    """`root` is absolute and free of symbolic links. No file outside of it is ever read."""

    root: Path

    @classmethod
    def of_file(cls, file: Path) -> Project:
        """Where `python file` or `python -m` would import from: the directory above the outermost package."""
        directory = file.absolute().parent.resolve()
        while (directory / "__init__.py").is_file():
            directory = directory.parent
        return cls(directory)

    @classmethod
    def of_module(cls, module: str, file: Path) -> Project:
        """Where a module that is imported already was imported from: a package may do without `__init__.py`."""
        parts = module.split(".")
        path = file.absolute().parent.resolve() / file.name
        path = path.parent if path.name == "__init__.py" else path.with_suffix("")
        if path.parts[-len(parts) :] == tuple(parts):
            return cls(path.parents[len(parts) - 1])
        return cls.of_file(file)

    @property
    def is_installed(self) -> bool:
        """Whether these are installed packages, which are not bundled for being imported by one of them."""
        return self.root.name in ("site-packages", "dist-packages")

    def module_name(self, file: Path) -> str:
        """The name under which `file`, below the root, is imported."""
        parts = list(self._below(file).with_suffix("").parts)
        if parts[-1] == "__init__":
            parts.pop()
        if not parts or any("." in part for part in parts):
            raise BadRequest(f"{file} can't be imported under its name: a module's name holds no dot. Rename it.")
        self._check_free(parts[0])
        return ".".join(parts)

    def files_of(self, module: str) -> Iterator[Path]:
        """The files that are executed to import `module`, outermost package first; none for what is not the project's.

        Where the last part is not a module but something in one, these are the files of what comes before it.
        """
        directory, parts = self.root, module.split(".")
        if parts[0] in _TAKEN:
            if parts[0] != "rayfaas":
                self._check_free(parts[0])
            return
        for part in parts:
            package = directory / part / "__init__.py"
            if package.is_file():
                yield package
            elif (directory / f"{part}.py").is_file():
                yield directory / f"{part}.py"
                return
            elif not (directory / part).is_dir():
                return
            directory = directory / part

    def holds(self, top: str) -> bool:
        """Whether a module or package of this name lies in the root."""
        return (self.root / f"{top}.py").is_file() or (self.root / top).is_dir()

    def modules_in(self, package: str) -> Iterator[Path]:
        """The modules directly in a package, for `from package import *`, which may import each of them."""
        directory = self.root.joinpath(*package.split("."))
        if (directory / "__init__.py").is_file():
            yield from sorted(directory.glob("*.py"))

    def read(self, path: Path) -> SourceFile:
        """Raises `BadRequest` for what lies, or leads by a symbolic link, outside of the root."""
        name = self._below(path).as_posix()
        try:
            return SourceFile(name, path, path.read_bytes())
        except OSError as error:
            raise BadRequest(f"{path} can't be read: {error.strerror}") from None

    def _below(self, path: Path) -> Path:
        path = Path(os.path.abspath(path))
        if not path.is_relative_to(self.root):  # it came by way of a link to the root, or is outside
            path = path.parent.resolve() / path.name
        real = path.resolve()
        if not path.is_relative_to(self.root) or not real.is_relative_to(self.root):
            place = f"{path}, which leads to {real}," if real != path else str(path)
            raise BadRequest(f"{place} is outside of {self.root}, and only what is in there is bundled.")
        return path.relative_to(self.root)

    def _check_free(self, top: str) -> None:
        for path in (self.root / f"{top}.py", self.root / top / "__init__.py"):
            if top in _TAKEN and path.is_file():
                whose = "rayfaas itself" if top == "rayfaas" else "a module of the standard library"
                raise BadRequest(f"{path} has the name of {whose}, which would be imported in its place. Rename it.")
