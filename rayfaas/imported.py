"""Importing a file to see what it declares, where its syntax tree does not tell."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rayfaas.declared import Declared
from rayfaas.errors import ImportFailed
from rayfaas.project import Project


def imported_functions(project: Project, file: Path) -> dict[str, Declared]:
    """The decorated functions and classes that `file` itself defines, by the name that its module holds them under.

    Raises `ImportFailed` with the user's traceback. The project's modules are taken out of `sys.modules` again, so that
    the next look sees the files as they are then.
    """
    name = project.module_name(file)
    with _import_path(project.root):
        try:
            module = importlib.import_module(name)
        except BaseException as error:  # whatever the file raises, SystemExit too
            if isinstance(error, KeyboardInterrupt):
                raise
            text = "".join(traceback.format_exception(error.with_traceback(_users_part(error, project.root))))
            raise ImportFailed(f"{file} can't be imported: {type(error).__name__}: {error}", traceback=text) from None
    return {
        attribute: value
        for attribute, value in vars(module).items()
        if isinstance(value, Declared) and value.wrapped.__module__ == name
    }


@contextmanager
def _import_path(root: Path) -> Iterator[None]:
    before, path = set(sys.modules), list(sys.path)
    sys.path.insert(0, str(root))
    try:
        yield
    finally:
        sys.path[:] = path
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None)
            if file is not None and Path(file).is_relative_to(root):
                del sys.modules[name]


def _users_part(error: BaseException, root: Path) -> Any:
    """The traceback from the first frame in the project on."""
    frame = error.__traceback__
    while frame is not None and not Path(frame.tb_frame.f_code.co_filename).is_relative_to(root):
        frame = frame.tb_next
    return frame
