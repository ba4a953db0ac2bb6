"""One home server with its Ray cluster for the whole run: real processes, real HTTP, in a directory of its own."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil
import pytest

from rayfaas.config import Home
from tests.processes import is_gone

T = TypeVar("T")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--cases", type=int, default=750, help="requests that schemathesis makes")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)
    sharing = {item.path for item in items if "server" in getattr(item, "fixturenames", ())}
    items.sort(key=lambda item: item.path in sharing)  # of the others, each ends its server before the next starts one


def eventually(question: Callable[[], T], timeout_s: float = 60.0) -> T:
    """The first answer that is true. Errors of a server that is coming back count as no."""
    asked_at = time.monotonic()
    deadline = asked_at + timeout_s
    while True:
        try:
            if answer := question():
                return answer
            problem: object = "it stayed false"
        except (httpx.TransportError, psutil.Error) as error:
            problem = error
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s:.0f} s: {problem}")
        time.sleep(min(0.15, 0.05 + (time.monotonic() - asked_at) / 40))  # asking takes time from what is waited for


class Server:
    """The server under test, seen from outside. In `options` of `rayfaas up` {port} is its port."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.home = Home(directory)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._seen: dict[int, psutil.Process] = {}
        self._options = ("--port", str(self.port), *(option.format(port=self.port) for option in options))
        self.up()
        self.http = httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {self.token}"}, timeout=httpx.Timeout(120)
        )

    def up(self) -> None:
        up = self.rayfaas("up", *self._options)
        assert up.returncode == 0, up.stderr

    def rayfaas(
        self, *arguments: str | Path, environ: dict[str, str] | None = None, input: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """A command of the command line, as this server's user types it."""
        command = [sys.executable, "-m", "rayfaas", *map(str, arguments)]
        env = {**self.environ, **(environ or {})}
        return subprocess.run(command, capture_output=True, text=True, env=env, input=input, timeout=200)

    @property
    def environ(self) -> dict[str, str]:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        return {**os.environ, "RAYFAAS_HOME": str(self.home.path), "PATH": path}

    @property
    def pid(self) -> int:
        pid: int = json.loads(self.home.server_file.read_text())["pid"]
        return pid

    @property
    def token(self) -> str:
        return self.home.token_file.read_text()

    def status(self) -> dict[str, Any]:
        answer = self.http.get("/v1/status")
        return answer.json() if answer.status_code == 200 else {"replicas": [], "clusters": []}

    def deploy(self, file: Path, name: str, spec: dict[str, Any] | None = None, **body: Any) -> list[dict[str, Any]]:
        """The deploy's events, by plain HTTP, as any language could do it: a ZIP archive of the folder's modules."""
        root = next(parent for parent in file.parents if not (parent / "__init__.py").exists())
        archive = _archive(root)
        digest = hashlib.sha256(archive).hexdigest()
        if self.http.head(f"/v1/bundles/{digest}").status_code == 404:
            assert self.http.put(f"/v1/bundles/{digest}", content=archive).status_code == 201
        module = ".".join(file.relative_to(root).with_suffix("").parts)
        body |= {"bundle": digest, "entry": {"module": module, "name": name}, "spec": spec or {}}
        answer = self.http.post(f"/v1/functions/default/{name}/versions", json=body)
        assert answer.status_code == 200, answer.text
        return [json.loads(line) for line in answer.text.splitlines()]

    def call(self, target: str, value: Any) -> Any:
        answer = self.http.post(f"/call/{target}", json=value)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def sql(self, query: str, *parameters: Any) -> list[list[Any]]:
        answer = self.http.post("/v1/sql", json={"sql": query, "parameters": parameters})
        assert answer.status_code == 200, answer.text
        rows: list[list[Any]] = answer.json()["rows"]
        return rows

    def processes(self) -> list[psutil.Process]:
        """All that descend from the server, those of Ray too."""
        found = psutil.Process(self.pid).children(recursive=True)
        self._seen.update({process.pid: process for process in found})
        return found

    def find(self, *words: str) -> list[psutil.Process]:
        """Its processes whose command line holds all words."""
        found = []
        for process in self.processes():
            try:
                line = " ".join(process.cmdline())
            except psutil.Error:
                continue
            if all(word in line for word in words):
                found.append(process)
        return found

    def zygotes(self) -> list[psutil.Process]:
        """Zygotes are children of a replica."""
        return [p for p in self.find("rayfaas.executor.zygote") if "rayfaas.executor.zygote" not in _line(p.parent())]

    def executors(self) -> list[psutil.Process]:
        """Executors are children of a zygote."""
        return [p for p in self.find("rayfaas.executor.zygote") if "rayfaas.executor.zygote" in _line(p.parent())]

    def stop(self) -> list[psutil.Process]:
        """End it; what is still there some seconds later."""
        self.http.close()
        self.processes()
        down = self.rayfaas("down")
        assert down.returncode == 0, down.stderr
        _, left = psutil.wait_procs(list(self._seen.values()), timeout=15)
        return [process for process in left if not is_gone(process)]

    def kill(self) -> None:
        for process in [psutil.Process(self.pid), *self.processes()]:
            process.kill()


def _archive(root: Path) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(root.rglob("*.py")):
            archive.writestr(zipfile.ZipInfo(str(path.relative_to(root))), path.read_bytes())
    return buffer.getvalue()


def _line(process: psutil.Process | None) -> str:
    return " ".join(process.cmdline()) if process is not None else ""


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
    return port


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    directory = Path(tempfile.mkdtemp(prefix="rf-"))  # short: Ray puts sockets below it
    running = None
    try:
        running = Server(directory, "--cpus", "16", "--gpus", "1", "--webhook-network", "127.0.0.0/8")
        yield running
        left = running.stop()
        assert not left, f"still running after the stop: {[_describe(p) for p in left]}"
    except BaseException:
        for log in sorted(directory.glob("**/*.log"))[:20]:
            if "run/ray" not in str(log):
                sys.stderr.write(f"--- {log}\n{log.read_text()[-4000:]}\n")
        if running is not None and running.home.server_file.exists():
            running.kill()
        raise
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _describe(process: psutil.Process) -> str:
    try:
        return f"{process.pid} {_line(process)[:120]}"
    except psutil.Error:
        return str(process.pid)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    """Write a module; its path."""

    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write
