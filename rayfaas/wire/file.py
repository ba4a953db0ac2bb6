"""A file that was uploaded."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from rayfaas.later import Later

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic_core import CoreSchema, core_schema
else:
    core_schema = Later("pydantic_core.core_schema")


class File(bytes):
    """The content of an uploaded file: bytes that know their `filename` and `content_type`.

    Take one by the type hint `rayfaas.File`; with the hint `bytes` it is the content alone, with `typing.BinaryIO` an
    open file.

    >>> file = File(b"a,b", "table.csv", "text/csv")
    >>> len(file), file.filename, file.open().read(1)
    (3, 'table.csv', b'a')
    """

    filename: str
    content_type: str

    def __new__(cls, content: bytes = b"", filename: str = "", content_type: str = "application/octet-stream") -> File:
        file = super().__new__(cls, content)
        file.filename, file.content_type = filename, content_type
        return file

    def open(self) -> io.BytesIO:
        """A file object to read it from."""
        return io.BytesIO(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return File, (bytes(self), self.filename, self.content_type)

    @classmethod
    def of(cls, value: Any) -> File:
        """Bytes and text as a file without a name. Raises ValueError."""
        if isinstance(value, File):
            return value
        if isinstance(value, str):
            return cls(value.encode(), content_type="text/plain; charset=utf-8")
        if isinstance(value, bytes):
            return cls(value)
        raise ValueError("a file is needed: send it as multipart/form-data or as application/octet-stream")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(cls.of)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "format": "binary"}
