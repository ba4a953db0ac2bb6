"""What an executor tells a gateway of the artifacts that a call touched: headers and body of TOUCHED and TRACKED."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

Mode = Literal["read", "write"]

MOST_URI = 4096
MOST_VERSION = 256
MOST_COLUMNS = 10_000
MOST_TRACKED = 1_000
_AT_ONCE = 1_000


class Touch(msgspec.Struct, array_like=True, frozen=True):
    """One artifact, read or written. `how` it was seen: open, renamed, pyarrow, polars, fsspec, boto3, hf, mlflow or
    said.

    `version` is the content's digest, the store's version, ETag or commit; None where it is not known. `is_certain` is
    False where the artifact may have changed between the call and the look at it. `at_us` is when it was written, where
    that is known better than by the end of the call.
    """

    mode: Mode
    uri: str
    how: str
    version: str | None = None
    bytes: int | None = None
    columns: tuple[str, ...] = ()
    is_certain: bool = True
    at_us: int | None = None


class TouchedHeader(msgspec.Struct, array_like=True):
    """Whose they are: a call's, or (`call_id` None) every call's of the executor, which touched them as it began."""

    call_id: str | None
    at_us: int


class TrackedHeader(msgspec.Struct, array_like=True):
    """TRACKED: all that a call touched, and what its executor had read as it began, folders that it listed and files
    that it did not find among them. `unknown` says what can't be told of that; empty where all is."""

    call_id: str
    unknown: str = ""


encode_touches = msgspec.msgpack.Encoder(enc_hook=str).encode
decode_touches = msgspec.msgpack.Decoder(list[Touch]).decode
encode_touched = msgspec.msgpack.Encoder().encode


def encode_parts(touches: Sequence[Touch]) -> list[bytes]:
    """The bodies of as many messages as they need."""
    return [encode_touches(touches[first : first + _AT_ONCE]) for first in range(0, len(touches), _AT_ONCE)]
