"""How forked processes end. One that user code forked off its executor is no executor: what it comes to answers no
call."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from typing import NoReturn


def leave(error: BaseException | None) -> NoReturn:
    """End it where its function is over, as the end of its script would end a forked process anywhere else."""
    end(_status(error))


def end(code: int) -> NoReturn:
    """End this process at once, with what it has printed."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # it may be closed, or None, or anything that user code put there
            stream.flush()
    os._exit(code)


def _status(error: BaseException | None) -> int:
    if error is None:
        return 0
    if not isinstance(error, SystemExit):
        traceback.print_exception(error)
        return 1
    if error.code is None or isinstance(error.code, int):
        return error.code or 0
    sys.stderr.write(f"{error.code}\n")
    return 1
