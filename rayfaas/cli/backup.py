"""`rayfaas backup` and `rayfaas restore`: the home of a server as one file."""

from __future__ import annotations

import asyncio
import getpass
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import click

from rayfaas.cli.server import check_server_is_installed, is_running
from rayfaas.cli.terminal import STDERR
from rayfaas.config import Home
from rayfaas.errors import BadRequest
from rayfaas.link import Service, dial_link


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--keys", "with_keys", is_flag=True, help="Also what opens secrets and lets clusters in: keep it safe.")
def backup(file: Path, with_keys: bool) -> None:
    """Write functions, calls, logs and all else of this user's server into FILE, while it runs.

    Tokens are in it as digests only. Without --keys secrets can't be opened where the home's secrets.key is lost, and
    clusters of other machines have to join again.
    """
    home = Home.from_env(os.environ)
    if not is_running(home):
        raise click.ClickException(f"No server is running in {home.path}. A copy of that folder is a backup, too.")
    if file.exists():
        raise click.ClickException(f"{file} exists already. Choose another name, or remove it.")
    with STDERR.status("Writing …"):
        directory = Path(asyncio.run(_ask(home, with_keys)))
        try:
            _pack(directory, file)
        finally:
            shutil.rmtree(directory, ignore_errors=True)
    click.echo(f"{file} has {file.stat().st_size:,} bytes, {'with' if with_keys else 'without'} keys.")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
def restore(file: Path) -> None:
    """Make a home of FILE, which `rayfaas backup` wrote. RAYFAAS_HOME says where; no registry may be there yet.

    It is the same installation as before: only one of both may run.
    """
    home = Home.from_env(os.environ)
    if is_running(home):
        raise click.ClickException(f"A server is running in {home.path}. Restore into another RAYFAAS_HOME.")
    check_server_is_installed()
    command = [sys.executable, "-m", "rayfaas.server.restoring", "--home", str(home.path), str(file)]
    with STDERR.status("Reading …"):
        ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if ended.returncode != 0:
        raise click.ClickException(ended.stderr.strip().removeprefix("Error: "))
    click.echo(ended.stdout, nl=False)


async def _ask(home: Home, with_keys: bool) -> str:
    try:
        link = await dial_link(home.controller_address, {"role": "home"}, home.key_file.read_bytes(), Service({}))
    except OSError as error:
        raise BadRequest(f"The server's controller can't be reached: {error}.") from None
    try:
        answer = await link.request("backup", with_keys=with_keys, actor=getpass.getuser())
    finally:
        link.close()
    return str(answer["directory"])


def _pack(directory: Path, file: Path) -> None:
    """Whole or not at all; only its owner may read it."""
    scratch = file.with_name(f"{file.name}.new")
    try:
        fd = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(fd, "wb") as output:
            with tarfile.open(fileobj=output, mode="w") as archive:
                archive.add(directory, ".")
            output.flush()
            os.fsync(output.fileno())
        scratch.rename(file)
    except OSError as error:
        scratch.unlink(missing_ok=True)
        raise BadRequest(f"{file} can't be written: {error}.") from None
