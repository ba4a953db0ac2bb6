"""The mark that a column of a Parquet or Arrow file carries: which call of which version wrote it.

It stands in the metadata of the column's field, or, where a library does not let one write there, of the file under
`rayfaas.<column>`. It is read from the file alone, without a server.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from rayfaas.errors import BadRequest, RayfaasError

KEY = b"rayfaas"


class Stamp(msgspec.Struct, frozen=True):
    """Who wrote a column: the call, and the version of the function.

    >>> Stamp.parse(Stamp("01890a5d-ac96-774b-bcce-b302099a8057", "nlp/embed", 7).encode()).version
    7
    """

    call: str
    function: str
    version: int

    def encode(self) -> bytes:
        return msgspec.json.encode(self)

    @classmethod
    def parse(cls, text: bytes | None) -> Stamp | None:
        """None for what is no stamp."""
        try:
            return msgspec.json.decode(text, type=cls) if text else None
        except msgspec.DecodeError:
            return None


MakeStamp = Callable[[], Stamp | None]


def read_stamps(path: Path) -> dict[str, Stamp | None]:
    """The columns of a Parquet, Arrow or Feather file, each with its stamp; none of a file of another kind.

    Raises `BadRequest` where the file can't be read, `RayfaasError` where pyarrow is not installed.
    """
    try:
        with path.open("rb") as file:
            start = file.read(6)
    except OSError as error:
        raise BadRequest(f"{path} can't be read: {error.strerror}.") from None
    if start[:4] != b"PAR1" and start != b"ARROW1":
        return {}
    try:
        import pyarrow  # noqa: PLC0415 heavy, and not everybody has it
        from pyarrow import ipc, parquet  # noqa: PLC0415
    except ImportError:
        raise RayfaasError("To read the marks of its columns needs pyarrow: pip install 'rayfaas[arrow]'.") from None
    try:
        if start[:4] == b"PAR1":
            file_metadata = parquet.read_metadata(path)
            schema, of_file = file_metadata.schema.to_arrow_schema(), file_metadata.metadata or {}
        else:
            schema, of_file = ipc.open_file(pyarrow.OSFile(str(path))).schema, {}
    except (OSError, pyarrow.ArrowException) as error:
        raise BadRequest(f"{path} can't be read: {error}") from None
    return {
        field.name: Stamp.parse((field.metadata or {}).get(KEY) or of_file.get(file_key(field.name)))
        for field in schema
    }


def file_key(column: str) -> bytes:
    return KEY + b"." + column.encode()
