"""Importing the code of a version, from its unpacked bundle."""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import cloudpickle

from rayfaas.declared import Declared
from rayfaas.errors import ImportFailed
from rayfaas.executor.exceptions import format_traceback
from rayfaas.orders import Order

PICKLE = "function.pickle"
PICKLE_META = "function.json"


def load(order: Order) -> Callable[..., Any]:
    """The user's plain function or class. Raises `ImportFailed` with the user's own traceback."""
    sys.path.insert(0, order.bundle_path)
    importlib.invalidate_caches()
    try:
        found = _unpickle(Path(order.bundle_path)) if order.entry_kind == "pickle" else _import(order)
    except ImportFailed:
        raise
    except BaseException as error:  # whatever user code raises, SystemExit too
        raise import_failed(f"{order.entry_module} could not be imported", error) from error
    function = found.wrapped if isinstance(found, Declared) else found
    if not callable(function):
        raise ImportFailed(f"{order.entry_module}.{order.entry_name} is {type(function).__name__}, not a function.")
    return cast(Callable[..., Any], function)


def enter_scratch(scratch: Path, bundle: Path) -> None:
    """Work in a directory of one's own, where the bundle's files are found by their names as they are beside the code.

    What is written there is nobody else's; the bundle, which others share, stays as it was deployed.
    """
    scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    for each in os.scandir(bundle):
        if each.name != "__pycache__":
            os.symlink(each.path, scratch / each.name)
    os.chdir(scratch)


def import_failed(what: str, error: BaseException) -> ImportFailed:
    """What the answer to the deploy says of an exception of the user's code."""
    return ImportFailed(
        f"{what}: {type(error).__name__}: {error}", exception=type(error).__name__, traceback=format_traceback(error)
    )


def _import(order: Order) -> Any:
    module: Any = importlib.import_module(order.entry_module)
    try:
        return getattr(module, order.entry_name)
    except AttributeError:
        raise ImportFailed(
            f"{order.entry_module} has no function {order.entry_name!r}. Was it renamed, or is it defined only under "
            "`if __name__ == '__main__':`?"
        ) from None


def _unpickle(bundle: Path) -> Any:
    made = json.loads((bundle / PICKLE_META).read_text())["python"]
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    if made != here:
        raise ImportFailed(
            f"This function was pickled (from a notebook or REPL) with Python {made}; the server runs {here}. "
            "Put it in a file, which works across versions, or use the same Python."
        )
    return cloudpickle.loads((bundle / PICKLE).read_bytes())
