"""What an executor has to say itself, in its last output, and never in the output of a call."""

from __future__ import annotations

import os


def complain(text: str) -> None:
    """On its standard error as the supervisor made it: `sys.stderr` is the running call's, and the user's to replace.

    >>> complain("the exit methods took too long")
    """
    try:
        os.write(2, f"rayfaas: {text}\n".encode("utf-8", "replace"))
    except OSError:
        pass  # user code has closed it
