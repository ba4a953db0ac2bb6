"""Lineage through the real gcsfs, adlfs and s3fs: `make libraries`. The stores are emulators on this machine."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from gcp_storage_emulator.server import create_server
from moto.server import ThreadedMotoServer

from rayfaas.touches import Touch
from tests.executor.replica import Replica
from tests.waiting import wait_until

AZURITE = shutil.which("azurite-blob", path=str(Path(sys.prefix) / "node_modules/.bin"))
# What everybody's Azurite has: https://learn.microsoft.com/azure/storage/common/storage-use-azurite
AZURE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

WRITES = """
    import fsspec
    def f(uri, options):
        with fsspec.open(uri, "wb", **options) as file:
            file.write(b"1")
"""
READS = """
    import fsspec
    def f(uri, options):
        with fsspec.open(uri, "rb", **options) as file:
            return file.read().decode()
"""
PIPES = """
    import fsspec
    def f(uri, options):
        store = fsspec.filesystem("s3", **options)
        store.mkdir("shop")
        store.pipe(uri, b"1")
        store.cp(uri, uri + ".copy")
        return store.cat(uri + ".copy").decode()
"""


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.fixture
def google() -> Iterator[dict[str, str]]:
    """Its address, as variables."""
    port = free_port()
    server = create_server("127.0.0.1", port, in_memory=True, default_bucket="shop")
    server.start()
    # The second: else it asks for the kind of the bucket over gRPC, which no emulator speaks.
    yield {"STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{port}", "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false"}
    server.stop()


@pytest.fixture
def azure() -> Iterator[dict[str, str]]:
    """Its options."""
    if AZURITE is None:
        pytest.skip("there was no npm to install azurite with")
    port = free_port()
    options = ["--inMemoryPersistence", "--silent", "--skipApiVersionCheck", "--disableTelemetry"]
    server = subprocess.Popen([AZURITE, *options, "--blobPort", str(port)])
    wait_until(lambda: is_open(port))
    endpoint = f"http://127.0.0.1:{port}/devstoreaccount1"
    account = f"DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey={AZURE_KEY}"
    yield {"connection_string": f"{account};BlobEndpoint={endpoint};"}
    server.terminate()
    server.wait()


@pytest.fixture
def amazon() -> Iterator[dict[str, object]]:
    """Its options."""
    server = ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    _, port = server.get_host_and_port()
    yield {"key": "x", "secret": "x", "endpoint_url": f"http://127.0.0.1:{port}"}
    server.stop()


def is_open(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def of_stores(touches: list[Touch]) -> list[tuple[str, str, str | None]]:
    return [(touch.mode, touch.uri, touch.version) for touch in touches if touch.how == "fsspec"]


async def written_and_read(
    replica: Replica, uri: str, options: dict[str, object], env: dict[str, str]
) -> tuple[str, str]:
    """The name and the version that both the call that wrote it and the call that read it have."""
    writing = (await replica.deploy(WRITES, deadline_s=60, env=env)).call(uri, options)
    await writing.value()
    ((wrote, name, version),) = of_stores(await writing.touches())
    reading = (await replica.deploy(READS, deadline_s=60, env=env)).call(uri, options)
    assert await reading.value() == "1"
    assert of_stores(await reading.touches()) == [("read", name, version)]
    assert wrote == "write"
    assert version is not None
    return name, version


async def test_an_object_in_google_cloud_is_known_by_its_generation(replica: Replica, google: dict[str, str]) -> None:
    name, version = await written_and_read(replica, "gs://shop/k", {"token": "anon"}, google)
    assert name == "gs://shop/k"
    assert version.isdigit()


async def test_an_object_in_azure_is_known_by_its_etag(replica: Replica, azure: dict[str, str]) -> None:
    create = """
        import fsspec
        def f(options): fsspec.filesystem("az", **options).mkdir("shop")
    """
    await replica.run(create, azure)
    name, version = await written_and_read(replica, "az://shop/k", {**azure}, {})
    assert name == "abfs://shop/k"  # as fsspec names it, however it was asked for
    assert version.startswith("etag:")


async def test_what_s3fs_does_has_the_version_that_s3_gave(replica: Replica, amazon: dict[str, object]) -> None:
    uri = "s3://shop/k"
    call = (await replica.deploy(PIPES, deadline_s=60)).call(uri, amazon)
    assert await call.value() == "1"
    etag = "etag:c4ca4238a0b923820dcc509a6f75849b"
    assert of_stores(await call.touches())[:3] == [
        ("write", uri, etag),
        ("read", uri, None),
        ("write", f"{uri}.copy", etag),
    ]
    assert await written_and_read(replica, uri, amazon, {}) == (uri, etag)
