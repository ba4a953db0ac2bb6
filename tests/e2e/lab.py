"""A Ray cluster that exists already, with something of its own on it, as a home server meets it.

Each of its nodes has a home directory of its own, as machines have that share no disk.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil

from rayfaas.cluster.local import free_ports, ray_environment
from tests.e2e.conftest import eventually

TOKEN = "ab" * 32
_FOREIGN = """
from ray import serve

@serve.deployment(num_replicas=1, ray_actor_options={"num_cpus": 0})
class Theirs:
    def __call__(self):
        return "theirs"

if __name__ == "__main__":
    import ray, sys
    ray.init(address=sys.argv[1], namespace="serve")
    if sys.argv[2] == "run":
        serve.run(Theirs.bind(), name="theirs", route_prefix=None)
    print("answer:", serve.get_app_handle("theirs").remote().result(timeout_s=30))
    print("applications:", *sorted(serve.status().applications))
"""


class RayNode:
    """`ray start --block`, in a session and with a home of its own."""

    def __init__(self, home: Path, *arguments: str) -> None:
        self.home = home
        home.mkdir(parents=True)
        self.environ = {**ray_environment(TOKEN), "HOME": str(home)}
        self._log = home / "ray.log"
        ports = free_ports(1)
        command = [str(Path(sys.executable).with_name("ray")), "start", "--block", "--disable-usage-stats", *arguments]
        command += ["--dashboard-agent-listen-port", str(ports[0]), "--include-log-monitor", "false"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environ, start_new_session=True
            )
        eventually(lambda: "Ray runtime started" in self._log.read_text() or not self._is_running())
        assert self._is_running(), self._log.read_text()
        self.id = ""

    def processes(self) -> list[psutil.Process]:
        try:
            process = psutil.Process(self._process.pid)
            return [process, *process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def kill(self) -> None:
        """kill -9 of all of it."""
        for process in self.processes():
            try:
                process.kill()
            except psutil.NoSuchProcess:
                pass  # it went with its parent
        self._process.wait(20)

    def _is_running(self) -> bool:
        return self._process.poll() is None


class Lab:
    """The head; `add` brings other nodes."""

    def __init__(self, directory: Path, cpus: int) -> None:
        self._directory = directory
        port, client_port = free_ports(2)
        self.address = f"127.0.0.1:{port}"
        self.head = RayNode(
            directory / "head", "--head", "--node-ip-address", "127.0.0.1", "--port", str(port),
            "--temp-dir", str(directory / "ray"), "--include-dashboard", "false", "--num-cpus", str(cpus),
            "--num-gpus", "0", "--ray-client-server-port", str(client_port),
        )  # fmt: skip
        self.nodes = [self.head]
        self._program = directory / "foreign.py"
        self._program.write_text(_FOREIGN)

    def add(self, cpus: float, gpus: float = 0) -> RayNode:
        home = self._directory / f"node-{len(self.nodes)}"
        amounts = ("--num-cpus", f"{cpus:g}", "--num-gpus", f"{gpus:g}")
        self.nodes.append(RayNode(home, "--address", self.address, *amounts))
        return self.nodes[-1]

    def rayfaas(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self._run("-m", "rayfaas", *arguments)

    def foreign(self, what: str) -> list[str]:
        """Run the application of others, or only call it; its answer and the applications that there are."""
        ran = self._run(str(self._program), self.address, what)
        assert ran.returncode == 0, ran.stderr
        return [line.partition(": ")[2] for line in ran.stdout.splitlines() if line.startswith(("answer:", "applic"))]

    def stop(self) -> None:
        for node in reversed(self.nodes):
            node.kill()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environ = {**os.environ, **self.head.environ}
        return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=environ, timeout=120)
