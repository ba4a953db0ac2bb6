"""Files that are there whole, or as they were before."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

SCRATCH = ".new-"


def write_whole(path: Path, content: bytes, mode: int = 0o600, *, synced: bool = False, scratch: str = SCRATCH) -> None:
    """Whoever reads sees all of it, or what was there; a symbolic link is replaced, not followed.

    Where it is `synced`, the content survives a crash of the machine. Meanwhile it stands beside the file, under a
    name that begins with `scratch`. Raises OSError, and leaves nothing behind.
    """
    fd, written = tempfile.mkstemp(dir=path.parent, prefix=scratch)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            if synced:
                file.flush()
                os.fsync(file.fileno())
        if mode != 0o600:  # which it was made with
            os.chmod(written, mode)
        os.replace(written, path)
    except BaseException:  # an interrupt as well as a full disk
        os.unlink(written)
        raise


def sweep(directory: Path) -> None:
    """Remove what killed processes left of files, here and in the folders right below. Nobody may write now."""
    for pattern in (f"{SCRATCH}*", f"*/{SCRATCH}*"):
        for left in directory.glob(pattern):
            left.unlink(missing_ok=True)
