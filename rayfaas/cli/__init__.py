"""The command line: `rayfaas up`, `deploy`, `call`, `sql` and the rest.

Exit codes, for scripts: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 not allowed, 5 the server is not available,
6 the called function raised.
"""

from __future__ import annotations

from rayfaas.cli.commands import commands

__all__ = ["main"]


def main() -> None:
    commands(prog_name="rayfaas")
