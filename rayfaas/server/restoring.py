"""A home from a backup.

    python -m rayfaas.server.restoring --home DIR FILE

Its registry gets its name last: until then there is no home, and it can be tried again."""

from __future__ import annotations

import os
import shutil
import tarfile
from datetime import datetime
from pathlib import Path

import click
import msgspec

from rayfaas.config import Home
from rayfaas.errors import BadRequest, Conflict, RayfaasError
from rayfaas.registry import backup
from rayfaas.server.backups import FORMAT, MANIFEST, TABLES, Manifest, key_files

_FOLDERS = ("archive", "bundles")


def restore(home: Home, file: Path) -> datetime:
    """Returns when the backup was made. Raises `Conflict` where a registry is, `BadRequest` for what is no backup."""
    if home.database.exists():
        raise Conflict(f"{home.path} has a registry already. Restore into an empty RAYFAAS_HOME.")
    home.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    scratch = home.path / "restoring"
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        manifest = _unpack(file, scratch)
        backup.read(scratch / home.database.name, scratch / TABLES, manifest.schema)
        for folder in _FOLDERS:
            _move_all(scratch / folder, home.path / folder)
        for each in (home.owner_file, *key_files(home)):
            if (scratch / each.name).exists():
                (scratch / each.name).replace(each)
        (scratch / home.database.name).replace(home.database)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return manifest.made_at


def _unpack(file: Path, directory: Path) -> Manifest:
    try:
        with tarfile.open(file) as archive:
            archive.extractall(directory, filter="data")
        manifest = msgspec.json.decode((directory / MANIFEST).read_bytes(), type=Manifest)
    except (tarfile.TarError, OSError, msgspec.MsgspecError, ValueError) as error:
        raise BadRequest(f"{file} is no backup, or there is no room for it: {error}") from None
    if manifest.format != FORMAT:
        raise BadRequest(f"{file} is a backup of a form that this rayfaas does not know.")
    return manifest


def _move_all(source: Path, target: Path) -> None:
    for file in source.rglob("*"):
        if file.is_file():
            moved = target / file.relative_to(source)
            moved.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.replace(file, moved)


@click.command()
@click.option("--home", required=True, type=click.Path(path_type=Path))
@click.argument("file", type=click.Path(path_type=Path))
def main(home: Path, file: Path) -> None:
    try:
        made_at = restore(Home(home), file)
    except RayfaasError as error:
        raise click.ClickException(error.detail) from None
    click.echo(f"{home} is as it was on {made_at:%Y-%m-%d at %H:%M} UTC. Start it with `rayfaas up`.")


if __name__ == "__main__":
    main()
