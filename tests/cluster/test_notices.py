"""Notices as the metadata services of providers give them, over real HTTP."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from rayfaas.cluster.notices import AwsNotices, AzureNotices, GcpNotices, notices_of

Answers = dict[tuple[str, str], tuple[int, str]]


class Metadata:
    """The metadata service of one machine. `answers` are by method and path; each has to bring its header."""

    def __init__(self) -> None:
        self.answers: Answers = {}
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        metadata = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                metadata.asked.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}))
                status, text = metadata.answers.get((self.command, self.path.partition("?")[0]), (404, ""))
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            do_PUT = do_GET  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def metadata() -> Iterator[Metadata]:
    metadata = Metadata()
    yield metadata
    metadata.close()


ACTION = ("GET", "/latest/meta-data/spot/instance-action")
TOKEN = ("PUT", "/latest/api/token")


async def test_aws_tells_two_minutes_before(metadata: Metadata) -> None:
    metadata.answers[TOKEN] = (200, "t0ken")
    notices = AwsNotices(metadata.url)
    assert await notices.look() == ""
    metadata.answers[ACTION] = (200, '{"action": "terminate", "time": "2026-11-27T12:02:00Z"}')
    assert await notices.look() == "terminate at 2026-11-27T12:02:00Z"
    assert [method for method, *_ in metadata.asked] == ["PUT", "GET", "GET"]
    assert metadata.asked[-1][2]["x-aws-ec2-metadata-token"] == "t0ken"
    await notices.close()


async def test_a_token_of_aws_that_has_expired_is_asked_for_again(metadata: Metadata) -> None:
    metadata.answers |= {TOKEN: (200, "old"), ACTION: (401, "")}
    notices = AwsNotices(metadata.url)
    with pytest.raises(httpx.HTTPStatusError):
        await notices.look()
    metadata.answers |= {TOKEN: (200, "new"), ACTION: (200, '{"action": "stop", "time": "soon"}')}
    assert await notices.look() == "stop at soon"
    assert metadata.asked[-1][2]["x-aws-ec2-metadata-token"] == "new"
    await notices.close()


async def test_gcp_says_true(metadata: Metadata) -> None:
    path = ("GET", "/computeMetadata/v1/instance/preempted")
    metadata.answers[path] = (200, "FALSE")
    notices = GcpNotices(metadata.url)
    assert await notices.look() == ""
    metadata.answers[path] = (200, "TRUE")
    assert await notices.look() == "preempted"
    assert metadata.asked[-1][2]["metadata-flavor"] == "Google"
    await notices.close()


async def test_azure_tells_of_several_machines_and_of_several_events(metadata: Metadata) -> None:
    events = ("GET", "/metadata/scheduledevents")
    metadata.answers |= {("GET", "/metadata/instance/compute/name"): (200, "gpu-1"), events: (200, '{"Events": []}')}
    notices = AzureNotices(metadata.url)
    assert await notices.look() == ""
    others = '{"EventType": "Preempt", "Resources": ["gpu-2"]}, {"EventType": "Reboot", "Resources": ["gpu-1"]}'
    metadata.answers[events] = (200, f'{{"Events": [{others}]}}')
    assert await notices.look() == ""
    ours = '{"EventType": "Preempt", "Resources": ["gpu-1"], "NotBefore": "Fri, 27 Nov 2026 12:00:30 GMT"}'
    metadata.answers[events] = (200, f'{{"Events": [{others}, {ours}]}}')
    assert await notices.look() == "preempt at Fri, 27 Nov 2026 12:00:30 GMT"
    assert all(headers["metadata"] == "true" for *_, headers in metadata.asked)
    await notices.close()


async def test_a_service_that_does_not_answer_is_no_notice(metadata: Metadata) -> None:
    notices = notices_of("gcp", metadata.url)
    with pytest.raises(httpx.HTTPError):
        await notices.look()
    await notices.close()
