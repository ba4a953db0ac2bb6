"""The command line: `rayfaas up`, `deploy`, `call`, `sql` and the rest.

Exit codes, for scripts: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 not allowed, 5 the server is not available,
6 the called function raised.
"""

from __future__ import annotations

import sys

from rayfaas.cli.commands import commands
from rayfaas.cli.exits import exit_code
from rayfaas.cli.output import show_error
from rayfaas.errors import RayfaasError

__all__ = ["main"]


def main() -> None:
    try:
        commands(prog_name="rayfaas")
    except RayfaasError as error:
        show_error(error)
        sys.exit(exit_code(error))
