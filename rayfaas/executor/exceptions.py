"""Exceptions of the user's code, as its callers hear of them."""

from __future__ import annotations

import importlib
import os
import re
import sys
import traceback
from types import TracebackType

from rayfaas.errors import FunctionError, RayfaasError

_MOST_CAUSES = 16
# Where a node unpacks bundles: long, and no business of who reads a traceback.
_UNPACKED = re.compile(r'(?<=  File ")[^"\n]*/bundles/[0-9a-f]{64}/')


def describe_exception(error: BaseException) -> RayfaasError:
    """What the caller hears of the user's exception: type, message, and the traceback without our frames."""
    name, message = _name(error), _message(error)
    return FunctionError(
        f"{name}: {message}" if message else name,
        exception=name,
        message=message,
        traceback=format_traceback(error),
        causes=_causes(error),
    )


def format_traceback(error: BaseException) -> str:
    """As Python prints it, from the first frame that is the user's, with the names that files have in their bundle."""
    text = "".join(traceback.format_exception(type(error), error, _user_frames(error.__traceback__)))
    return _UNPACKED.sub("", text) + _where_it_looked(error)


def _where_it_looked(error: BaseException) -> str:
    """What works where the file lies, and not here, is the first thing that people run into."""
    name = error.filename if isinstance(error, FileNotFoundError) else None
    if not isinstance(name, str) or not name or os.path.isabs(name):
        return ""
    send = f'include=["{name}"]' if not name.startswith("..") else "include=[…]"
    return (
        f"A function runs in a directory of its own, with the files that were deployed. Send {name} along with {send}, "
        "or give the whole path of a file on the machine that it runs on.\n"
    )


def _causes(error: BaseException) -> list[dict[str, str]]:
    """What led to it, the nearest first: `raise … from`, or an error that was being handled."""
    found: list[dict[str, str]] = []
    seen = {id(error)}
    while len(found) < _MOST_CAUSES:
        cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if cause is None or id(cause) in seen:
            break
        seen.add(id(cause))
        found.append({"exception": _name(cause), "message": _message(cause)})
        error = cause
    return found


def _name(error: BaseException) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException as broken:  # noqa: BLE001 the user's own __str__ raised, SystemExit perhaps
        return f"<str() of it raised {type(broken).__name__}>"


def _user_frames(tb: TracebackType | None) -> TracebackType | None:
    first = tb
    while first is not None and _is_ours(first.tb_frame.f_code.co_filename):
        first = first.tb_next
    return first


def _is_ours(filename: str) -> bool:
    return filename.startswith((sys.modules["rayfaas.executor"].__path__[0], "<frozen importlib", importlib.__file__))
