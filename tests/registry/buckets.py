"""An object store as moto plays it, which can be out of reach; and one that hangs."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from moto.server import ThreadedMotoServer


class S3:
    """`objects` are the keys that a bucket holds."""

    def __init__(self, url: str) -> None:
        self._client: Any = boto3.client("s3", endpoint_url=url, region_name="us-east-1")

    def make(self, bucket: str) -> str:
        self._client.create_bucket(Bucket=bucket)
        return bucket

    def objects(self, bucket: str) -> list[str]:
        listed = self._client.list_objects_v2(Bucket=bucket).get("Contents", [])
        return [each["Key"] for each in listed]

    def put(self, bucket: str, key: str, content: bytes) -> None:
        self._client.put_object(Bucket=bucket, Key=key, Body=content)

    def remove(self, bucket: str, key: str) -> None:
        self._client.delete_object(Bucket=bucket, Key=key)


@contextmanager
def moto() -> Iterator[str]:
    """Its address."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@contextmanager
def silent_server() -> Iterator[str]:
    """The address of one that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
