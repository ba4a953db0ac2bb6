"""Files that commands write: there whole, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from rayfaas.errors import BadRequest


@contextmanager
def whole_file(path: Path, with_folders: bool = False) -> Iterator[BinaryIO]:
    """What is written in its block is at `path` when it ends, and nowhere where that raises. `with_folders` makes
    those above it.

    Raises `BadRequest` where it can't be written.
    """
    scratch = path.with_name(f"{path.name}.new")
    try:
        if with_folders:
            path.parent.mkdir(parents=True, exist_ok=True)
        with scratch.open("wb") as file:
            yield file
        scratch.rename(path)
    except OSError as error:
        raise BadRequest(f"{path} can't be written: {error}.") from None
    finally:
        if scratch.exists():
            scratch.unlink()
