"""multipart/form-data: each field is an argument by its name, each file a `File`, as forms and `curl -F` send them."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import Any

from rayfaas.errors import MalformedBody
from rayfaas.wire.file import File
from rayfaas.wire.json import decode_json
from rayfaas.wire.media import JSON, media_type


def decode_multipart(content_type: str, body: bytes) -> dict[str, Any]:
    """The fields by name; of those with one name a list. Raises `MalformedBody`."""
    return read_form(content_type, (body,))


def read_form(content_type: str, pieces: Iterable[bytes]) -> dict[str, Any]:
    """The same of a body that comes in pieces, which are not kept."""
    multipart = import_module("python_multipart.multipart")  # executors that get no forms do without it
    _, parameters = multipart.parse_options_header(content_type)
    boundary = parameters.get(b"boundary")
    if not boundary:
        raise MalformedBody("multipart/form-data has a boundary in its Content-Type, and this has none.")
    reader = _Reader(multipart.parse_options_header)
    try:
        parser = multipart.MultipartParser(boundary, reader.callbacks())
        for piece in pieces:
            parser.write(piece)
        parser.finalize()
    except (multipart.MultipartParseError, ValueError) as error:
        raise MalformedBody(f"The body is not multipart/form-data: {error}") from None
    if not reader.has_ended:
        raise MalformedBody("The form breaks off before its last boundary.")
    return reader.fields()


class _Reader:
    """Hears the parser, and has the parts."""

    def __init__(self, parse_header: Any) -> None:
        self._parse_header = parse_header
        self._parts: list[tuple[str, Any]] = []
        self._headers: dict[str, bytes] = {}
        self._name, self._value = bytearray(), bytearray()
        self._content = bytearray()
        self.has_ended = False

    def callbacks(self) -> dict[str, Any]:
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._name.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._header,
            "on_part_data": lambda data, start, end: self._content.extend(data[start:end]),
            "on_part_end": self._part,
            "on_end": self._end,
        }

    def fields(self) -> dict[str, Any]:
        found: dict[str, list[Any]] = {}
        for name, value in self._parts:
            found.setdefault(name, []).append(value)
        return {name: values[0] if len(values) == 1 else values for name, values in found.items()}

    def _begin(self) -> None:
        self._headers, self._content = {}, bytearray()

    def _header(self) -> None:
        self._headers[self._name.decode("latin-1").lower()] = bytes(self._value)
        self._name, self._value = bytearray(), bytearray()

    def _part(self) -> None:
        _, options = self._parse_header(self._headers.get("content-disposition", b""))
        name = options.get(b"name")
        if name is None:
            raise ValueError("a part has no name")
        self._parts.append((_text(name), self._decoded(options)))

    def _end(self) -> None:
        self.has_ended = True

    def _decoded(self, options: dict[bytes, bytes]) -> Any:
        content = bytes(self._content)
        media = self._headers.get("content-type", b"").decode("latin-1")
        if b"filename" in options:
            return File(content, _text(options[b"filename"]), media or "application/octet-stream")
        return decode_json(content) if media_type(media) == JSON else _text(content)


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"a field is not UTF-8: {error}") from None
