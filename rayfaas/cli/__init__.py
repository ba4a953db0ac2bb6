"""The command line: `rayfaas up`, `deploy`, `call`, `sql` and the rest.

Exit codes, for scripts: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 not allowed, 5 the server is not available,
6 the called function raised, 130 Ctrl-C.
"""

from __future__ import annotations

import io
import sys
from importlib import import_module

from rayfaas.cli.exits import INTERRUPTED

__all__ = ["main"]


def main() -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that has no such letter is no reason to fail
    # httpx loads a command of its own where rich is installed, with parts of that and pygments: nobody runs it here.
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type] # as Python says that there is none
    try:
        commands = import_module("rayfaas.cli.commands").commands  # takes a moment, in which Ctrl-C may come too
        commands(prog_name="rayfaas")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
