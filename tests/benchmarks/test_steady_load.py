"""An open load: calls are due when they are due, and count from then."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from benchmarks.endpoint import Endpoint
from benchmarks.steady_load import Timed, seconds_until, steady_load


class _Every(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200 if body == b"null" else 500)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


class _Patient(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # connections that come at once


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    server = _Patient(("127.0.0.1", 0), _Every)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Endpoint(f"http://127.0.0.1:{server.server_port}/")
    server.shutdown()
    thread.join()
    server.server_close()


def test_every_call_that_is_due_is_made_and_those_that_fail_are_told(endpoint: Endpoint) -> None:
    calls = steady_load(endpoint, 100, 0.2)
    assert [each.ok for each in calls] == [True] * 20
    assert [round(each.due_s, 3) for each in calls[:3]] == [0.0, 0.01, 0.02]
    assert not any(each.ok for each in steady_load(endpoint, 100, 0.05, body="1"))


def test_it_is_back_when_no_later_second_is_slow() -> None:
    slow, quick = [Timed(s, 1.0, True) for s in (0.0, 2.5)], [Timed(s, 0.1, True) for s in (1.0, 3.0, 4.0)]
    assert seconds_until(slow + quick, 0.15) == 3.0
    assert seconds_until(quick, 0.15) == 0.0
    assert seconds_until(slow, 0.15) is None
