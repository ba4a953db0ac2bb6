"""The files of a version as they were deployed: read, compared and unpacked, without trust in who made the archive."""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import zipfile
from pathlib import Path

from rayfaas.bundle import MAX_BYTES, PICKLE, PICKLE_META
from rayfaas.errors import BadRequest, NotFound, ProtocolError
from rayfaas.whole_file import write_whole


class Archive:
    """`files` are the paths in it. Raises `ProtocolError` where it is damaged, or holds what no bundle holds.

    >>> archive.source("service.py")  # doctest: +SKIP
    'import rayfaas\\n…'
    """

    def __init__(self, data: bytes, digest: str) -> None:
        if hashlib.sha256(data).hexdigest() != digest:
            raise ProtocolError(f"The bundle {digest[:12]} arrived damaged.")
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except zipfile.BadZipFile as error:
            raise ProtocolError(f"The bundle is no ZIP archive: {error}") from None
        infos = [info for info in self._zip.infolist() if not info.is_dir()]
        for info in infos:
            _check_entry(info)
        if sum(info.file_size for info in infos) > MAX_BYTES:
            raise ProtocolError(f"The bundle unpacks to more than {MAX_BYTES >> 20} MiB.")
        self.files = tuple(sorted({info.filename for info in infos}))

    @property
    def is_pickle(self) -> bool:
        """Whether it is of a notebook or REPL, and not of files."""
        return PICKLE in self.files and PICKLE_META in self.files

    def read(self, name: str) -> bytes:
        if name not in self.files:
            raise NotFound(f"There is no file {name} in it. There are: {', '.join(self.files)}.")
        try:
            return self._zip.read(name)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
            raise ProtocolError(f"{name} can't be unpacked: {error}") from None

    def text(self, name: str) -> str | None:
        """None of a file that holds no text."""
        try:
            return self.read(name).decode("utf-8")
        except UnicodeDecodeError:
            return None

    def notebook_source(self) -> str | None:
        """Of a pickle, the text of its function, where it was known."""
        try:
            source = json.loads(self.read(PICKLE_META)).get("source")
        except (ValueError, AttributeError):
            return None
        return source if isinstance(source, str) else None

    def unpack(self, directory: Path, force: bool = False) -> list[str]:
        """Write its files below `directory`, and return the names of those that were not there already as they are.

        Nothing outside of the directory is written, be there symbolic links in it. Raises `BadRequest`, before anything
        is written, where files are there with other content, unless `force` says to replace them.
        """
        root = directory.resolve()
        contents = {name: self.read(name) for name in self.files}
        missing = [name for name, content in contents.items() if not _is_there(root, name, content)]
        changed = [name for name in missing if os.path.lexists(root / name)]
        if changed and not force:
            raise BadRequest(
                f"{directory} holds other content in {', '.join(changed)}. Choose an empty directory, or replace them "
                "with --force."
            )
        for name in missing:
            _write(root / name, contents[name])
        return missing


def _check_entry(info: zipfile.ZipInfo) -> None:
    name = info.filename
    parts = name.split("/")
    if name.startswith("/") or "\\" in name or "\0" in name or ":" in parts[0] or {"", ".", ".."} & set(parts):
        raise ProtocolError(f"The bundle holds {name!r}, a path that leaves it.")
    if stat.S_ISLNK(info.external_attr >> 16):
        raise ProtocolError(f"The bundle holds {name!r}, a symbolic link.")


def _is_there(root: Path, name: str, content: bytes) -> bool:
    """Whether the file is there with this content. Raises `BadRequest` where the way to it is no directory of ours."""
    for parent in list(Path(name).parents)[-2::-1]:
        path = root / parent
        if path.is_symlink() or (path.exists() and not path.is_dir()):
            raise BadRequest(f"{path} is in the way: it is no directory. Choose another place.")
    path = root / name
    if path.is_dir() and not path.is_symlink():
        raise BadRequest(f"{path} is in the way: it is a directory. Choose another place.")
    try:
        return not path.is_symlink() and path.read_bytes() == content
    except FileNotFoundError:
        return False
    except OSError as error:
        raise BadRequest(f"{path} can't be read: {error.strerror}") from None


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content, 0o644, scratch=".pulling-")
    except OSError as error:
        raise BadRequest(f"{path} can't be written: {error.strerror}") from None
