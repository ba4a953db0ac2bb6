"""`rayfaas up` and `rayfaas down`: the home server of this user, as a background process."""

from __future__ import annotations

import errno
import fcntl
import importlib.util
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import click

from rayfaas.address import is_loopback, split_host_port
from rayfaas.cli.terminal import STDERR
from rayfaas.cli.values import parse_duration, parse_keep_alive
from rayfaas.client import Client
from rayfaas.config import ARCHIVE_CACHE_MB, CACHE_MB, DAY_S, DEFAULT_PORT, MAX_BODY_MB, Home
from rayfaas.errors import AccessError, NotFound, Unavailable
from rayfaas.object_store import parse_archive
from rayfaas.private import make_home
from rayfaas.server_options import ServerOptions

UP_S = 180.0
DOWN_S = 60.0
_LOOK_S = 0.05
_LEAST_SPACE = 16 << 20
_KEEP_CALLS = "How long calls stay in the registry's file; older ones move to its archive, where SQL finds them too."
_OUT_OF_REACH = (
    "Functions on other machines can't call others: {host} is this machine only. Give --host 0.0.0.0, or --url."
)
_KEEP_LOGS = "The same for what calls printed and logged."


def _age(_context: click.Context, option: click.Parameter, text: str | None) -> float | None:
    """Seconds, of a day at least: what began today is asked for all the time."""
    age_s = None if text is None else parse_duration(text)
    if age_s is not None and age_s < DAY_S:
        raise click.BadParameter(f"{text} is less than a day.")
    return age_s


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 is all of them.")
@click.option(
    "--port", type=click.IntRange(1, 65_535), default=DEFAULT_PORT, show_default=True, help="Port of the HTTP gateway."
)
@click.option("--gateways", default=1, show_default=True, help="Gateway processes; they share the port.")
@click.option("--cpus", type=float, help="CPUs of the local cluster; all of this machine's if not said.")
@click.option("--gpus", type=float, help="GPUs of the local cluster; those that Ray finds if not said.")
@click.option("--ray-address", default="", help="Join this Ray cluster (host:port of its head) instead of a local one.")
@click.option(
    "--head-address",
    default="",
    help="HOST:PORT of this machine at which other machines find the cluster's Ray head. They do not if not said.",
)
@click.option("--max-body-mb", default=float(MAX_BODY_MB), show_default=True, help="Largest body of a call, in MB.")
@click.option(
    "--cluster-address",
    default="",
    help="HOST:PORT at which clusters on other machines find this server. Off if not said.",
)
@click.option("--cluster-listen", default="", help="The address of this machine that it leads to, if not HOST itself.")
@click.option(
    "--url",
    "public_url",
    default="",
    help="Where functions on other machines find this server that call others: http://faas.lan. If not said, it is the "
    "host of --cluster-address and --port.",
)
@click.option(
    "--webhook-network",
    "webhook_networks",
    multiple=True,
    help="Webhooks may go there too, as 10.1.0.0/16; else only to public ones.",
)
@click.option(
    "--keep-results",
    "keep_results_s",
    default="7d",
    show_default=True,
    callback=lambda _context, _option, text: parse_duration(text),
    help="How long arguments and results of spawned calls are kept after their end: 90m, 12h, 30d.",
)
@click.option("--keep-calls", "keep_calls_s", default="90d", show_default=True, callback=_age, help=_KEEP_CALLS)
@click.option("--keep-logs", "keep_logs_s", default="30d", show_default=True, callback=_age, help=_KEEP_LOGS)
@click.option(
    "--keep-arguments",
    "keep_arguments_s",
    default="7d",
    show_default=True,
    callback=lambda _context, _option, text: parse_duration(text),
    help="How long arguments of calls of functions with record_arguments= are kept: 90m, 12h, 30d.",
)
@click.option("--delete-calls", "delete_calls_s", callback=_age, help="Delete calls for good after so long: 2y.")
@click.option("--delete-logs", "delete_logs_s", callback=_age, help="Delete lines of logs for good after so long.")
@click.option(
    "--archive",
    default="",
    callback=lambda _context, _option, text: parse_archive(text) if text else "",
    help="Where the archive is kept: s3://BUCKET/PREFIX, gs://…, az://…, or a folder. In the home if not said.",
)
@click.option(
    "--archive-cache-mb",
    default=float(ARCHIVE_CACHE_MB),
    show_default=True,
    help="Disk for parts of it that were read, in MB.",
)
@click.option("--pass-env", multiple=True, help="A variable of the server that functions may see: NAME, or AWS_*.")
@click.option("--environments-gb", default=50.0, show_default=True, help="Disk that environments may use on a node.")
@click.option(
    "--cache-mb", default=float(CACHE_MB), show_default=True, help="Disk for results of functions with cache=, in MB."
)
@click.option(
    "--head-keep-alive",
    default="never",
    show_default=True,
    callback=lambda _context, _option, text: parse_keep_alive(text),
    help="How long the cluster is kept when nobody calls: 10m, 2h, learned, or never is it stopped.",
)
@click.option("--foreground", is_flag=True, help="Stay in the foreground, as systemd wants it.")
def up(foreground: bool, **given: Any) -> None:
    """Start the server and its cluster in the background, and print URL and token."""
    options = ServerOptions(**given)
    home = Home.from_env(os.environ)
    check_server_is_installed()
    if is_running(home):
        raise click.ClickException(
            f"A server is running in {home.path}, at {server_url(home)}. End it with `rayfaas down`."
        )
    _check_port(options.host, options.port, "--port …")
    _check_entrance(options)
    _check_head(options)
    command = [sys.executable, "-m", "rayfaas.server.parent", "--home", str(home.path), "--options", str(options)]
    if foreground:
        os.execv(sys.executable, command)
    _start(home, command)
    click.echo(f"rayfaas is up at {server_url(home)}")
    click.echo(f"The admin token is {home.token_file.read_text().strip()}")
    click.echo(f"Command line and SDK of this user find it in {home.token_file}.")
    if home != Home.from_env({}):
        click.echo(f"They look there once you typed: export RAYFAAS_HOME={shlex.quote(str(home.path))}")
    if options.cluster_address and not options.public_url and is_loopback(options.host):
        click.echo(_OUT_OF_REACH.format(host=options.host))
    if _is_at_rest(_status(home)):
        click.echo("The cluster is stopped, as it was before, and starts with the first call.")


@click.command()
def down() -> None:
    """Stop the server and everything that it started."""
    home = Home.from_env(os.environ)
    if not is_running(home):
        click.echo(f"No server is running in {home.path}.")
        return
    with STDERR.status("Stopping: calls under way may finish …"):
        deadline = time.monotonic() + DOWN_S
        told = False
        while is_running(home):
            pid = _server(home).get("pid")  # one that is starting tells of itself when it is up
            if pid is not None and not told:
                os.kill(pid, signal.SIGTERM)
                told = True
            if time.monotonic() > deadline:
                raise click.ClickException(f"The server did not end within {DOWN_S:.0f} s. See {home.logs}.")
            time.sleep(_LOOK_S)
    click.echo(f"rayfaas is down: the server of {home.path} has ended.")


def is_running(home: Home) -> bool:
    """Whether a server lives in `home`: it holds the lock for as long as it does, however it ends."""
    try:
        with home.lock_file.open("r") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def server_url(home: Home) -> str:
    return str(_server(home).get("url", "an address that it has not told yet"))


def _start(home: Home, command: list[str]) -> None:
    """Start the server and wait until it can answer calls; ends it again where that fails or is interrupted."""
    make_home(home)  # before what is made in it, or it would be open to everybody
    home.logs.mkdir(mode=0o700, exist_ok=True)
    _check_space(home)
    log = home.logs / "parent.log"
    with log.open("ab") as output:
        before = output.tell()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    try:
        with STDERR.status("Starting …") as status:
            for step in _steps(home, process, partial(_tail, log, before)):
                status.update(f"Starting: {step} …")
    except BaseException:  # Ctrl-C too: nothing is left that half started
        process.terminate()
        process.wait(DOWN_S)
        raise


def _check_space(home: Home) -> None:
    """One that has no room for its log can't tell of it."""
    if shutil.disk_usage(home.path).free < _LEAST_SPACE:
        raise click.ClickException(f"There is no space left for {home.path}: it takes {_LEAST_SPACE >> 20} MiB.")


def _steps(home: Home, process: subprocess.Popen[bytes], said: Callable[[], str]) -> Iterator[str]:
    """What is waited for, until nothing is."""
    deadline = time.monotonic() + UP_S
    while (missing := _missing(home)) is not None:
        if process.poll() is not None:
            raise click.ClickException(f"The server ended while it started:\n{said()}")
        if time.monotonic() > deadline:
            raise click.ClickException(f"No {missing} within {UP_S:.0f} s. See the logs in {home.logs}.")
        yield missing
        time.sleep(_LOOK_S)


def _missing(home: Home) -> str | None:
    if not _server(home) or not home.token_file.exists():
        return "controller"
    try:
        status = _status(home)
    except (Unavailable, AccessError, NotFound):
        return "gateway"
    return None if status["replicas"] or _is_at_rest(status) else "Ray cluster"


def _status(home: Home) -> dict[str, Any]:
    with Client(_server(home)["url"], home.token_file.read_text().strip()) as client:
        return client.status()


def _is_at_rest(status: dict[str, Any]) -> bool:
    """Whether there is to be no cluster before somebody calls."""
    head: dict[str, Any] = status.get("head", {})
    return bool(head.get("want") == "STOPPED")


def _server(home: Home) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(home.server_file.read_text())
    except FileNotFoundError:
        return {}
    return found


def check_server_is_installed() -> None:
    missing = [name for name in ("ray", "duckdb", "uvicorn") if importlib.util.find_spec(name) is None]
    if missing:
        raise click.ClickException(
            f"The server needs {', '.join(missing)}, which this Python lacks: pip install 'rayfaas[server]'"
        )


def _check_entrance(options: ServerOptions) -> None:
    if not options.cluster_address:
        return
    try:
        host, port = split_host_port(options.cluster_address)
    except ValueError as error:
        raise click.UsageError(f"--cluster-address: {error}") from None
    for number in range(1 + options.gateways):  # the controller's, and one for each gateway
        _check_port(options.cluster_listen or host, port + number, "--cluster-address …, or --cluster-listen 0.0.0.0")


def _check_head(options: ServerOptions) -> None:
    if options.ray_address and options.head_keep_alive != "never":
        raise click.UsageError("--head-keep-alive is for a cluster that the server starts itself: leave --ray-address.")
    if not options.head_address:
        return
    if options.ray_address:
        raise click.UsageError("--head-address is of the head that the server starts; --ray-address has one already.")
    try:
        host, port = split_host_port(options.head_address)
    except ValueError as error:
        raise click.UsageError(f"--head-address: {error}") from None
    _check_port(host, port, "--head-address …")


def _check_port(host: str, port: int, option: str) -> None:
    # Gateways share their port with SO_REUSEPORT, so only somebody else's would refuse; this asks without it.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as asked:
        asked.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            asked.bind((host, port))
        except (OSError, OverflowError) as error:
            reason = "is in use" if getattr(error, "errno", 0) == errno.EADDRINUSE else f"can't be used ({error})"
            raise click.ClickException(f"{host}:{port} {reason}. Choose another: rayfaas up {option}") from None


def _tail(log: Path, before: int) -> str:
    """The last that was written to it, without what was there `before`: that is of an earlier start."""
    return "\n".join(log.read_bytes()[before:].decode(errors="replace").splitlines()[-15:])
