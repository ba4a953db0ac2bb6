"""What crosses the wire: how arguments and results become bytes, and back; a file for each encoding.

JSON is the default, for any language. `docs/wire.md` says what each type becomes in each encoding. Libraries of arrays,
data frames and images are imported where a value needs them, and not before.
"""

from rayfaas.wire.arguments import Arguments, decode_arguments, encode_arguments, is_file, is_pickle
from rayfaas.wire.file import File
from rayfaas.wire.json import decode_json, encode_json
from rayfaas.wire.media import (
    ARGUMENTS_JSON,
    ARGUMENTS_MSGPACK,
    ARROW,
    CSV,
    JSON,
    MSGPACK,
    MULTIPART,
    NDJSON,
    OCTETS,
    PARQUET,
    PICKLE,
    RESULTS,
    SSE,
    VALUE_ACCEPT,
    VALUE_MSGPACK,
    admits_stream,
    media_type,
    preferences,
    takes_bytes,
)
from rayfaas.wire.multipart import read_form
from rayfaas.wire.results import decode_result, encode_result

__all__ = [
    "ARGUMENTS_JSON",
    "ARGUMENTS_MSGPACK",
    "ARROW",
    "CSV",
    "JSON",
    "MSGPACK",
    "MULTIPART",
    "NDJSON",
    "OCTETS",
    "PARQUET",
    "PICKLE",
    "RESULTS",
    "SSE",
    "VALUE_ACCEPT",
    "VALUE_MSGPACK",
    "Arguments",
    "File",
    "admits_stream",
    "decode_arguments",
    "decode_json",
    "decode_result",
    "encode_arguments",
    "encode_json",
    "encode_result",
    "is_file",
    "is_pickle",
    "media_type",
    "preferences",
    "read_form",
    "takes_bytes",
]
