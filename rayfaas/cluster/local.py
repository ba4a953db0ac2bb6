"""The cluster `local`: a Ray head as subprocesses of this machine, or a Ray cluster that exists already, made ours.

    python -m rayfaas.cluster.local --home DIR --options JSON

The controller says whether there is to be a head. While there is, it is held, joined to the controller, and started
again when it dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from rayfaas.address import join_host_port, split_host_port
from rayfaas.cluster.niceness import let_extras_give_way
from rayfaas.cluster.surroundings import own_scratch
from rayfaas.cluster.wish import Wish
from rayfaas.config import Home
from rayfaas.entrance import entrance_of
from rayfaas.errors import RayfaasError, Unavailable
from rayfaas.link import keep_link
from rayfaas.server_options import ServerOptions

_log = logging.getLogger("rayfaas.cluster")

NAME = "local"
HEAD_UP_S = 90.0
JOIN_S = 120.0
STOP_S = 20.0
LOOK_S = 0.05
# Ray starts a node only when its dashboard answers, which takes ten processes, and nothing of ours needs. So long it
# waits; the dashboard comes up beside all else, and Ray's log says that it was not waited for.
_DASHBOARD_LATER = {"RAY_DASHBOARD_STARTUP_TIMEOUT_S": "0"}
# Serve's controller, the agent and Warm: each finds a worker that was begun when the node was.
_FIRST_WORKERS = {"RAY_num_prestart_python_workers": "3"}
# What leads Ray to another cluster, and what has each of its processes compile all of Ray again, which takes a minute.
_NOT_RAYS = ("RAY_ADDRESS", "RAY_TMPDIR", "PYTHONDONTWRITEBYTECODE")
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class HeadOptions:
    """What the machine offers to Ray; None lets Ray count. `host`:`port` is where its other nodes find the head; any
    free port if it is 0."""

    cpus: float | None = None
    gpus: float | None = None
    host: str = "127.0.0.1"
    port: int = 0


class RayHead:
    """`ray start --head --block` in its own session, on free ports, with its own temporary directory.

    Ray listens on all interfaces whatever address it is given, and whoever reaches it can run code: so it is told to
    ask everybody for `token`.
    """

    def __init__(self, directory: Path, options: HeadOptions, token: str) -> None:
        self._directory, self._options, self._token = directory, options, token
        self._log = directory / "head.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._deadline = 0.0
        self._had_store = False
        self.dashboard_port = 0
        self.address = ""

    async def start(self) -> None:
        """Returns when the head answers. Raises `Unavailable` with what it said."""
        self.launch()
        await self.up()

    def launch(self) -> None:
        """Begin to start it; its `address` is known from now on."""
        self._deadline, self._had_store = time.monotonic() + HEAD_UP_S, False
        shutil.rmtree(self._directory, ignore_errors=True)
        scratch = self._directory / "tmp"
        scratch.mkdir(parents=True)
        free, self.dashboard_port, client_port, agent_port = free_ports(4)
        port = self._options.port or free
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                self._command(port, client_port, agent_port),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**own_scratch(ray_environment(self._token), scratch), **_DASHBOARD_LATER, **_FIRST_WORKERS},
                start_new_session=True,
                preexec_fn=terminate_with_parent,  # this process has one thread when it starts a head
            )
        self.address = join_host_port(self._options.host, port)

    async def up(self) -> None:
        """Returns when what was launched answers. Raises `Unavailable` with what it said."""
        while not self._is_up():
            if self._process is not None:
                let_extras_give_way(self._process.pid)
            await asyncio.sleep(LOOK_S)

    def poll(self) -> int | None:
        return self._process.poll() if self._process else 0

    def stop(self) -> None:
        """SIGTERM lets `ray start --block` end the node and its store in order. It would then end its dashboard and
        others one by one, each in its time; they hold nothing any more, and are killed with all of its session."""
        if self._process is None:
            return
        self._process.terminate()
        deadline = time.monotonic() + STOP_S
        while self.poll() is None and _is_node(self._process.pid) and time.monotonic() < deadline:
            time.sleep(LOOK_S)
        self._kill(self._process)

    def _kill(self, process: subprocess.Popen[bytes]) -> None:
        process.kill()
        process.wait()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        shutil.rmtree(self._directory, ignore_errors=True)

    def _command(self, port: int, client_port: int, agent_port: int) -> list[str]:
        ray = Path(sys.executable).with_name("ray")
        command = [
            *(str(ray), "start", "--head", "--block", "--disable-usage-stats"),
            *("--node-ip-address", self._options.host, "--port", str(port), "--temp-dir", str(self._directory)),
            *("--dashboard-host", "127.0.0.1", "--dashboard-port", str(self.dashboard_port)),
            *("--dashboard-agent-listen-port", str(agent_port)),
            *("--ray-client-server-port", str(client_port), "--include-log-monitor", "false"),
        ]
        if self._options.cpus is not None:
            command += ["--num-cpus", f"{self._options.cpus:g}"]
        if self._options.gpus is not None:
            command += ["--num-gpus", f"{self._options.gpus:g}"]
        return command

    def _is_up(self) -> bool:
        if b"Ray runtime started" in self._log.read_bytes():
            return True
        assert self._process is not None
        if self.poll() is not None or time.monotonic() > self._deadline or self._has_lost_its_store(self._process.pid):
            tail = self._log.read_text(errors="replace")[-2000:]
            self._kill(self._process)
            raise Unavailable(f"The Ray head did not start:\n{tail}")
        return False

    def _has_lost_its_store(self, pid: int) -> bool:
        """Whether the GCS has ended that `ray start` began, which would look for it for a minute."""
        state = _children(pid).get("gcs_server")
        self._had_store |= state is not None
        return self._had_store and state in (None, "Z")


class LocalCluster:
    """Has the cluster up and joined, or stopped, as the controller wishes."""

    def __init__(
        self,
        home: Home,
        head: RayHead | None,
        address: str,
        ray_token: str,
        controller: str,
        options: tuple[str, ...] = (),
    ) -> None:
        self._home, self._head, self._address, self._ray_token = home, head, address, ray_token
        self._controller, self._options = controller, options
        self._wish = Wish(can_stop=head is not None)

    async def run(self) -> None:
        """For ever. A cluster that exists already is joined and left alone."""
        key, identity = self._home.key_file.read_bytes(), {"role": "head", "cluster": NAME}
        keeping = asyncio.ensure_future(keep_link(self._home.controller_address, identity, key, self._wish, 0.05, 0.5))
        pause_s = 1.0
        try:
            while True:
                await self._wish.wanted()
                try:
                    await self._bring_up()
                    pause_s = 1.0
                    await self._watch()
                except (Unavailable, OSError, subprocess.SubprocessError) as error:
                    self._end()
                    self._wish.tell("BOOTING", f"it did not come up, next try in {pause_s:.0f} s: {error}")
                    _log.error("the cluster did not come up, next try in %.0f s: %s", pause_s, error)
                    await asyncio.sleep(pause_s)
                    pause_s = min(pause_s * 2, 60.0)
        finally:
            keeping.cancel()
            self._end()

    def _end(self) -> None:
        if self._head is not None:
            self._head.stop()

    async def _bring_up(self) -> None:
        if self._head is not None:
            self._wish.tell("BOOTING", "Ray starts")
            self._head.launch()
            self._address = self._head.address
        with self._application() as joining:
            if self._head is not None:
                await self._head.up()
            self._home.write_cluster(NAME, self._address, self._head.dashboard_port if self._head else None)
            self._wish.tell("BOOTING", "Ray is up, the application starts")
            await _join(joining, await self._join_token(), self._head)
        self._wish.tell("RUNNING", "the application runs")

    @contextlib.contextmanager
    def _application(self) -> Iterator[subprocess.Popen[bytes]]:
        """The process that starts the application once it has a join token. Until then it loads Ray, which takes as
        long as it takes the head to start."""
        command = [sys.executable, "-m", "rayfaas.cluster.application", "--address", self._address, "--join-from-input"]
        command += ["--controller", self._controller, "--cache", str(self._home.cache), *self._options]
        environ = ray_environment(self._ray_token)
        with subprocess.Popen(command, env=environ, stdin=subprocess.PIPE, preexec_fn=terminate_with_parent) as process:
            try:
                yield process
            finally:
                process.kill()

    async def _join_token(self) -> str:
        """The right to join, asked of the controller; waits until it is up."""
        while True:
            try:
                granted = await self._wish.request("join_token", cluster=NAME)
                return f"{granted['id']}:{granted['secret'].hex()}"
            except RayfaasError:
                await asyncio.sleep(LOOK_S)

    async def _watch(self) -> None:
        """Returns when the head is no more: it ended, or was to."""
        while self._head is None or self._head.poll() is None:
            if self._wish.stops:
                self._end()
                return self._wish.stopped()
            await asyncio.sleep(LOOK_S)
        self._end()  # what is left of its session
        self._wish.tell("BOOTING", "the Ray head ended; it is started again")
        _log.error("the Ray head ended; starting it again")


def _is_node(pid: int) -> bool:
    """Whether what makes it a node of Ray runs."""
    children = _children(pid)
    return any(children.get(name, "Z") != "Z" for name in ("raylet", "gcs_server"))


def _children(pid: int) -> dict[str, str]:
    """The states of a process's children, by their names. Z is one that has ended and was not waited for yet."""
    found = {}
    with contextlib.suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            with contextlib.suppress(OSError):
                name, _, fields = Path(f"/proc/{child}/stat").read_text().partition(" (")[2].rpartition(") ")
                found[name] = fields[0]
    return found


async def _join(joining: subprocess.Popen[bytes], token: str, head: RayHead | None) -> None:
    deadline = time.monotonic() + JOIN_S
    assert joining.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # it has ended, and its exit code says more
        joining.stdin.write(token.encode())
        joining.stdin.close()
    while joining.poll() is None:
        if time.monotonic() > deadline:
            raise Unavailable(f"the application did not start within {JOIN_S:.0f} s")
        if head is not None and head.poll() is not None:
            raise Unavailable("the Ray head ended while the application started")  # which would look for it for long
        await asyncio.sleep(LOOK_S)
    if joining.returncode != 0:
        raise Unavailable(f"the application could not be started (exit code {joining.returncode})")


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody has at this moment."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for sock in sockets:
            sock.bind(("127.0.0.1", 0))
        return [sock.getsockname()[1] for sock in sockets]


def ray_environment(token: str) -> dict[str, str]:
    """This process's, without what Ray must not see, and with the token of this cluster."""
    environ = {k: v for k, v in os.environ.items() if k not in _NOT_RAYS}
    # Ray's own metrics name functions, on a port that asks nobody for the token. Whoever wants them says 1.
    environ.setdefault("RAY_enable_metrics_collection", "0")
    auth = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token} if token else {}
    # Ray makes its workers nice (15), and what they start inherits that: calls would come last on their own machine.
    # At its end the node's calls are done, the gateways saw to that, and there is no other node to drain to.
    ours = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0", "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0"}
    # A node begins workers for all of its CPUs when anybody connects, which end unused a moment later: a quarter of
    # what it takes to start a cluster.
    ours["RAY_prestart_worker_first_driver"] = "0"
    return {**environ, **auth, **ours}


def terminate_with_parent() -> None:
    """Runs in a child before its program does: it is told to end when its parent has ended, however that did."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


@click.command()
@click.option("--home", required=True, type=click.Path(path_type=Path))
@click.option("--options", required=True, help="A `ServerOptions` as JSON.")
def main(home: Path, options: str) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    asyncio.run(_until_signal(cluster_of(Home(home), ServerOptions.parse(options))))


def cluster_of(home: Home, options: ServerOptions) -> LocalCluster:
    # Ray's own processes read the token from the environment; an existing cluster's is in ours, if it wants one.
    token = "" if options.ray_address else home.ray_token_file.read_text()
    found_at = split_host_port(options.head_address) if options.head_address else ()
    head_options = HeadOptions(options.cpus, options.gpus, *found_at)
    head = None if options.ray_address else RayHead(home.run / "ray", head_options, token)
    handed_on = [text for name in options.pass_env for text in ("--pass-env", name)]
    handed_on += ["--environments-gb", f"{options.environments_gb:g}"]
    entrance = entrance_of(home, options.cluster_address, options.cluster_listen)
    handed_on += ["--away-controller", entrance.address] if entrance else []
    controller = entrance.address if entrance and options.ray_address else home.controller_address
    return LocalCluster(home, head, options.ray_address, token, controller, tuple(handed_on))


async def _until_signal(cluster: LocalCluster) -> None:
    running = asyncio.ensure_future(cluster.run())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, running.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await running


if __name__ == "__main__":
    main()
