"""Who dials an internal socket and is none of ours: anything that can be said there, by peers that stay or go."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from rayfaas.frames import Kind, encode
from tests.waiting import eventually

FUZZ = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

_keys = st.text(max_size=4) | st.integers(0, 9) | st.none()
_atoms = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats()
_values = st.recursive(
    _atoms | st.text(max_size=8) | st.binary(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=3),
    max_leaves=8,
)
_roles = st.sampled_from(["executor", "supervisor", "agent", "gateway", "home", "join", "newcomer", "node"])
_identities = st.dictionaries(
    st.sampled_from(["role", "cluster", "function", "version", "executor", "join", "name", "x"]),
    _values | _roles,
    max_size=5,
)
_proofs = st.binary(min_size=32, max_size=32)
_hellos = st.fixed_dictionaries({"identity": _identities, "nonce": st.binary(), "proof": _proofs}) | (
    st.fixed_dictionaries(
        {}, optional={"identity": _identities | _values, "nonce": _values, "proof": _proofs | _values}
    )
)
_headers = st.binary(max_size=60) | _values.map(msgspec.msgpack.encode) | _hellos.map(msgspec.msgpack.encode)
_kinds = st.sampled_from(list(Kind)) | st.integers(0, 255)
_frames = st.builds(
    encode, _kinds, st.integers(0, 2**64 - 1), _headers, st.binary(max_size=60), st.integers(0, 255)
) | st.builds(lambda header: encode(Kind.HELLO, 0, header), _hellos.map(msgspec.msgpack.encode))
sayings = st.lists(st.binary(max_size=80) | _frames, max_size=4).map(b"".join)
"""What an intruder says: bytes, frames of any kind, introductions that prove nothing."""


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


async def intrude(path: Path, said: bytes, stays: bool) -> bytes:
    """Dial, say it, and hang up; or end the half that writes, and wait to be thrown out. What was answered."""
    reader, writer = await asyncio.open_unix_connection(str(path))
    try:
        writer.write(said)
        if not stays:
            return b""
        if writer.can_write_eof():
            writer.write_eof()
        return await asyncio.wait_for(reader.read(), 20)
    except ConnectionError:
        return b""
    finally:
        writer.close()


def half_open(path: Path, said: bytes = b"") -> socket.socket:
    """A peer that dials, says so much and then nothing more, for ever."""
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(str(path))
    sock.sendall(said)
    return sock


async def is_as_before(files: int) -> None:
    """Nothing of intruders is left."""
    await eventually(lambda: open_files() <= files)


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged of connections as a warning or worse, asyncio's own complaints too."""
    of_connections = [record for record in caplog.records if record.name in ("rayfaas.connection", "asyncio")]
    return [record.getMessage() for record in of_connections if record.levelno >= logging.WARNING]
