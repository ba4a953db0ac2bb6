"""Functions and classes that are in no file, such as those of a notebook, as pickles that hold their code."""

from __future__ import annotations

import inspect
import io
import pickle
import pickletools
import sys
from collections.abc import Callable
from typing import Any

import cloudpickle

from rayfaas.declared import Declared
from rayfaas.errors import BadRequest


def pickle_function(fn: Callable[..., Any]) -> bytes:
    """The function or class with all that it refers to in its notebook.

    Raises `BadRequest` that names what can't be pickled.
    """
    try:
        return _dumps(fn)
    except (pickle.PicklingError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise BadRequest(
            f"{fn.__name__} is in no file, and can't be pickled either: {_culprit(fn) or error}. Make it inside of the "
            "function, or put the function in a file."
        ) from None


def referenced_modules(data: bytes) -> set[str]:
    """Modules that a pickle may import: any text in it that is the name of one."""
    texts = {argument for _, argument, _ in pickletools.genops(data) if isinstance(argument, str)}
    return {text for text in texts if text in sys.modules}


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc] # it has no types
    """Pickles decorated functions of a notebook, which others would import it from, with their code."""

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, Declared) and obj.__module__ == "__main__":
            return object.__new__, (type(obj),), vars(obj)
        return super().reducer_override(obj)


def _dumps(value: Any) -> bytes:
    buffer = io.BytesIO()
    _Pickler(buffer).dump(value)
    return buffer.getvalue()


def _culprit(fn: Callable[..., Any]) -> str | None:
    """The variable outside of the function that it refers to and that can't be pickled."""
    if inspect.isclass(fn):
        return next(filter(None, map(_culprit, filter(inspect.isfunction, vars(fn).values()))), None)
    used = inspect.getclosurevars(inspect.unwrap(fn))
    for name, value in {**used.globals, **used.nonlocals}.items():
        try:
            _dumps(value)
        except (pickle.PicklingError, TypeError, AttributeError, ValueError, RecursionError) as error:
            return f"the variable {name!r} ({type(value).__name__}) says: {error}"
    return None
