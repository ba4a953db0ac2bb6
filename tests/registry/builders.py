"""What tests of the registry are fed with: deploys, and journal segments as gateways leave them."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rayfaas.names import new_id
from rayfaas.records import CallEnded, CallStarted, LogLine, Record, Settled, Spawned, encode_record
from rayfaas.registry.database import Database
from rayfaas.registry.registry import Registry
from rayfaas.spec import Entry, Publish

GATEWAY = "gateway-0-1700000000000000000"
ACCEPTED_US = 1_700_000_000_000_000


def empty(database: Database) -> None:
    """As if it had just been made."""
    tables = database.run(
        "SELECT table_name AS name FROM duckdb_tables() WHERE schema_name = 'store' AND estimated_size > 0"
        " AND table_name NOT IN ('schema_versions', 'log_numbers')"
    )
    with database.transaction():
        for table in tables:
            database.run(f"DELETE FROM store.{table['name']}")


def publish(content: str = "a", **changes: Any) -> Publish:
    """A deploy; another `content` is another bundle."""
    return Publish(**{"bundle": content.encode().hex().ljust(64, "0"), "entry": Entry(module="m", name="f"), **changes})


def started(**changes: Any) -> CallStarted:
    call = new_id()
    fields = {
        "call": call,
        "root": call,
        "target": "f",
        "function": "red/f",
        "version": 1,
        "code_digest": "c0de",
        "syntax_digest": "5e11",
        "environment_digest": "e111",
        "shape": "5ade",
        "owner": "red",
        "principal": "ann",
        "team": "red",
        "gateway": GATEWAY,
        "accepted_us": ACCEPTED_US,
        "bytes_in": 3,
    }
    return CallStarted(**{**fields, **changes})


def ended(call: CallStarted, **changes: Any) -> CallEnded:
    fields = {"call": call.call, "state": "SUCCEEDED", "ended_us": call.accepted_us + 5_000}
    return CallEnded(**{**fields, **changes})


def line(text: str, **changes: Any) -> LogLine:
    fields = {
        "call": new_id(),
        "function": "red/f",
        "version": 1,
        "at_us": ACCEPTED_US,
        "stream": "stdout",
        "text": text,
    }
    return LogLine(**{**fields, **changes})


def spawned(**changes: Any) -> Spawned:
    call = new_id()
    fields = {
        "call": call,
        "root": call,
        "target": "f",
        "function": "red/f",
        "version": 1,
        "principal": "ann",
        "team": "red",
        "gateway": GATEWAY,
        "accepted_us": ACCEPTED_US,
        "content_type": "application/json",
        "body": "e30=",
        "timeout_s": 300.0,
        "retries": 2,
        "retry_delay_s": 0.5,
    }
    return Spawned(**{**fields, **changes})


def settled(call: Spawned, **changes: Any) -> Settled:
    fields = {"call": call.call, "state": "SUCCEEDED", "ended_us": call.accepted_us + 5_000, "attempts": 1}
    return Settled(**{**fields, **changes})


def replayed(registry: Registry, call: str, principal: str, team: str, sees: str | None) -> str:
    """A new call of what an old one was asked, as the server makes it."""
    return registry.spawned.again(registry.spawned.original(call, team, sees), call, principal, team)


def lines(*records: Record) -> bytes:
    return b"".join(encode_record(record) + b"\n" for record in records)


def segment(directory: Path, *records: Record, gateway: str = GATEWAY, number: int = 0) -> Path:
    """A segment with these records at its end, of a gateway that is dead unless somebody holds its lock."""
    path = directory / f"{gateway}.{number:06d}.ndjson"
    with path.open("ab") as file:
        file.write(lines(*records))
    return path


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """The gateway that writes this segment is alive. As gateways do, it gives a new one its name when it is locked."""
    unnamed = path if path.exists() else path.with_suffix(".unnamed")
    fd = os.open(unnamed, os.O_RDONLY | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        unnamed.rename(path)
        yield
    finally:
        os.close(fd)


@contextmanager
def living_segment(directory: Path, *records: Record, gateway: str = GATEWAY, number: int = 0) -> Iterator[Path]:
    """A segment with these records, of a gateway that is alive."""
    with locked(directory / f"{gateway}.{number:06d}.ndjson"):
        yield segment(directory, *records, gateway=gateway, number=number)
