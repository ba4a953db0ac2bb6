"""Stand-ins as processes or threads of the tests, each on a free port of this machine."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from rayfaas.cluster.local import free_ports

UP_S = 30.0


@contextmanager
def process(module: str, arguments: Sequence[str], healthy: str) -> Iterator[None]:
    """`python -m module …`, until it answers at `healthy`, and to the end of the block."""
    started = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(healthy, started)
        yield
    finally:
        started.kill()  # it holds nothing that has to be put away
        started.wait()


def _wait(url: str, started: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + UP_S
    while time.monotonic() < deadline:
        try:
            httpx.get(url, timeout=1)
            return
        except httpx.HTTPError:
            assert started.poll() is None, f"{started.args!r} ended"
            time.sleep(0.02)
    raise AssertionError(f"nothing answers at {url}")


@contextmanager
def microburst(upstream: str) -> Iterator[str]:
    """A proxy of AWS that can be told to break it; its URL."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    with process("microburst", ["--upstream", upstream, "--port", str(port)], f"{url}/_microburst/health"):
        yield url


@dataclass
class Request:
    method: str
    path: str
    query: dict[str, str]
    body: Any
    headers: dict[str, str] = field(default_factory=dict)


Answer = tuple[int, Any] | tuple[int, Any, dict[str, str]]  # status, body, and headers if there are any


class Lost(Exception):
    """Raised by a handler to close the connection instead of answering."""


@contextmanager
def http_server(handle: Callable[[Request], Answer]) -> Iterator[str]:
    """An HTTP server that answers JSON, on threads of this process; its URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *_: object) -> None:
            """The tests say what went wrong."""

        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            raw = self.rfile.read(length)
            url = urlsplit(self.path)
            query = {key: values[-1] for key, values in parse_qs(url.query).items()}
            request = Request(self.command, url.path, query, json.loads(raw) if raw else None, dict(self.headers))
            try:
                status, body, *more = handle(request)
            except Lost:
                self.close_connection = True
                return
            content = b"" if body is None else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            for name, value in (more[0] if more else {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815 - the names that http.server looks for

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def dead_url() -> str:
    """A URL at which nobody answers."""
    return f"http://127.0.0.1:{free_ports(1)[0]}"
