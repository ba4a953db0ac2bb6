"""HDF5 files, which h5py opens in C."""

from __future__ import annotations

import os

from rayfaas.executor.sightings import Kept, Note, Seen
from rayfaas.executor.wrapping import Call


def opened_hdf(note: Note, call: Call) -> None:
    """A file, by its name and a mode: what was in it before stays with `r+` and `a`."""
    name, mode = call.get(1, "name"), call.get(2, "mode", "r")
    if not isinstance(name, str | bytes | os.PathLike):
        return  # a file that Python opened, and that was seen there
    if mode == "r":
        note(Seen("read", os.fspath(name), "h5py"))
        return
    if mode in ("r+", "a") and os.path.exists(name):
        note(Kept(os.fspath(name)))
    note(Seen("write", os.fspath(name), "h5py"))
