"""Bodies of 200 MiB through real processes: they come and go whole, and nobody on the way holds them."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

import pytest

import rayfaas
from tests.e2e.conftest import Server, eventually

MIB = 200
BLOCK = hashlib.sha512(b"rayfaas").digest() * (1 << 14)  # 1 MiB
MOST_HELD_MIB = 32
OCTETS = {"Content-Type": "application/octet-stream"}

MODULE = """
import hashlib
import re
from collections.abc import Iterator
from typing import BinaryIO

import rayfaas

BLOCK = hashlib.sha512(b"rayfaas").digest() * (1 << 14)

def memory(what: str) -> int:
    return int(re.search(what + r":\\s+(\\d+)", open("/proc/self/status").read())[1]) >> 10

def take_in(data: BinaryIO) -> tuple[str, int]:
    before, digest = memory("VmRSS"), hashlib.md5()
    while piece := data.read(1 << 20):
        digest.update(piece)
    return digest.hexdigest(), memory("VmHWM") - before

def hold(data: bytes) -> int:
    return memory("VmHWM")

def make(mib: int) -> Iterator[bytes]:
    for _ in range(mib):
        yield BLOCK

def give_back(data: bytes) -> bytes:
    return data
"""


@pytest.fixture(scope="module", autouse=True)
def deployed(server: Server, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("large") / "large.py"
    file.write_text(MODULE)
    for name in ("take_in", "hold", "make", "give_back"):
        server.deploy(file, name)


class Gateway:
    """How much memory it has ever held, more than at first."""

    def __init__(self, server: Server) -> None:
        (process,) = server.find("rayfaas.server.gateway")
        self._path = Path(f"/proc/{process.pid}")
        (self._path / "clear_refs").write_text("5")  # its peak begins anew
        self._before = self._peak_mib()

    def most_mib(self) -> int:
        return self._peak_mib() - self._before

    def _peak_mib(self) -> int:
        (line,) = (line for line in (self._path / "status").read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) >> 10


def blocks() -> Iterator[bytes]:
    for _ in range(MIB):
        yield BLOCK


def digest_of_all() -> str:
    digest = hashlib.md5()
    for block in blocks():
        digest.update(block)
    return digest.hexdigest()


@pytest.mark.parametrize("length", [{"Content-Length": str(MIB << 20)}, {}], ids=["told", "chunked"])
def test_a_body_is_read_while_it_comes(server: Server, length: dict[str, str]) -> None:
    gateway = Gateway(server)
    answer = server.http.post("/call/take_in", content=blocks(), headers={**OCTETS, **length})
    digest, held_mib = answer.json()
    assert digest == digest_of_all()
    assert held_mib < MOST_HELD_MIB
    assert gateway.most_mib() < MOST_HELD_MIB


def test_bytes_that_a_function_takes_are_held_once(server: Server) -> None:
    before = server.http.post("/call/hold", content=b"small", headers=OCTETS).json()
    gateway = Gateway(server)
    after = server.http.post("/call/hold", content=blocks(), headers=OCTETS).json()
    assert MIB <= after - before < MIB + MOST_HELD_MIB
    assert gateway.most_mib() < MOST_HELD_MIB


def test_what_a_function_makes_goes_out_as_it_is_made(server: Server) -> None:
    gateway, digest = Gateway(server), hashlib.md5()
    with server.http.stream("POST", "/call/make", json={"mib": MIB}) as answer:
        assert answer.headers["content-type"] == OCTETS["Content-Type"]
        for chunk in answer.iter_raw():
            digest.update(chunk)
    assert digest.hexdigest() == digest_of_all()
    assert gateway.most_mib() < MOST_HELD_MIB


def test_the_sdk_sends_and_gets_them(server: Server) -> None:
    data, gateway = BLOCK * MIB, Gateway(server)
    with rayfaas.Client(url=server.url, token=server.token) as client:
        give_back = rayfaas.get("give_back").with_options(client=client)
        assert give_back.remote(data) == data
        assert give_back.remote(io.BytesIO(data)) == data
    assert gateway.most_mib() < MOST_HELD_MIB
    rows = "SELECT bytes_in, bytes_out, state FROM calls WHERE function = 'default/give_back'"
    assert eventually(lambda: server.sql(rows)) == [[MIB << 20, MIB << 20, "SUCCEEDED"]] * 2


def test_a_client_that_leaves_half_way_leaves_nothing_behind(server: Server) -> None:
    def half() -> Iterator[bytes]:
        yield BLOCK * 8
        raise ConnectionAbortedError

    with pytest.raises(ConnectionAbortedError):
        server.http.post("/call/take_in", content=half(), headers={**OCTETS, "Content-Length": str(MIB << 20)})
    question = "SELECT count(*) FROM calls WHERE function = 'default/take_in' AND state = 'CANCELLED'"
    assert eventually(lambda: server.sql(question) == [[1]])
    assert server.http.post("/call/take_in", content=b"small", headers=OCTETS).status_code == 200
