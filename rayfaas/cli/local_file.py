"""A file or folder that is here, for the commands that ask what led to it: known by its content, whatever its name."""

from __future__ import annotations

import hashlib
from pathlib import Path

from rayfaas.client import Client
from rayfaas.errors import NotFound
from rayfaas.graph import Direction, Graph

_CHUNK = 1 << 20


def graph_of(client: Client, path: Path, direction: Direction = "upstream", depth: int = 10) -> Graph:
    """Of the file as it is now; one too large for its content was recorded by its size and time. Raises `NotFound`."""
    uri = path.resolve().as_uri()
    for version in (_digest(path), _size_and_time(path)):
        try:
            return client.lineage(uri, direction, depth, version=version)
        except NotFound:
            continue
    raise NotFound(f"No call that you may see has read or written {path} as it is now.{_hint(client, uri)}")


def version_of(path: Path) -> str:
    """As the lineage has it of a file whose content is looked at."""
    return _digest(path)


def a_file_of(path: Path) -> str:
    """A sentence that names a file of a folder, because of a folder nothing is recorded; or that says that nothing of
    that name is here, where a file may be meant."""
    if not path.exists():
        return f" There is no file {path} here either." if path.suffix or len(path.parts) > 1 else ""
    if not path.is_dir():
        return ""
    file = next((each for each in sorted(path.rglob("*")) if each.is_file()), None)
    return f" It is a folder: ask for a file of it, as {file}." if file else " It is an empty folder."


def _hint(client: Client, uri: str) -> str:
    try:
        client.lineage(uri, depth=1)
    except NotFound:
        return (
            " Files that a library opens in C, as DuckDB and SQLite do, are seen where the function says so: "
            "rayfaas.reads(path), rayfaas.writes(path)."
        )
    return f" `rayfaas lineage {uri}` tells of the version that was recorded last."


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return f"sha256:{digest.hexdigest()}"


def _size_and_time(path: Path) -> str:
    status = path.resolve().stat()
    return f"stat:{status.st_size}-{status.st_mtime_ns}-{status.st_ino}"
