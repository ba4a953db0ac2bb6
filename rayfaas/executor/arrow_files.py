"""Arrow, Parquet and Feather files: what is written carries a mark of the call that wrote it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rayfaas.executor.sightings import Note, Seen
from rayfaas.executor.wrapping import Call, before
from rayfaas.stamps import KEY, MakeStamp, Stamp, file_key


def write_arrow(note: Note, stamp: MakeStamp, place: int, argument: str) -> Callable[[Call], Call]:
    """A writer of Parquet or Arrow files, made with a schema."""

    def look(call: Call) -> Call:
        schema = call.get(place + 1, "schema")
        note(Seen("write", path_in(call.get(place, argument), call), "pyarrow", columns=tuple(schema.names)))
        mark = stamp()
        return call if mark is None else call.with_argument(place + 1, "schema", _stamped(schema, mark))

    return look


def write_feather(note: Note, stamp: MakeStamp) -> Callable[[Call], Call]:
    def look(call: Call) -> Call:
        data, mark = call.get(0, "df"), stamp()
        schema = getattr(data, "schema", None)
        columns = getattr(data, "columns", ()) if schema is None else schema.names
        note(Seen("write", call.get(1, "dest"), "pyarrow", columns=tuple(map(str, columns))))
        if mark is None or schema is None:
            return call
        return call.with_argument(0, "df", type(data).from_arrays(data.columns, schema=_stamped(schema, mark)))

    return look


def follow_ipc(ipc: Any, note: Note, stamp: MakeStamp) -> None:
    for writer in (ipc.RecordBatchFileWriter, ipc.RecordBatchStreamWriter):
        before(writer, "__init__", write_arrow(note, stamp, 1, "sink"))


def stamp_polars(stamp: MakeStamp) -> Callable[[Call], Call | None]:
    """It writes no metadata of fields, but of the file."""

    def look(call: Call) -> Call | None:
        mark = stamp()
        if mark is None or call.kwargs.get("metadata") is not None or call.kwargs.get("use_pyarrow"):
            return None
        text = mark.encode().decode()
        marks = {file_key(column).decode(): text for column in call.args[0].columns}
        return Call(call.args, {**call.kwargs, "metadata": marks})

    return look


def path_in(what: Any, call: Call) -> Any:
    """A path in another file system of pyarrow's is no path of this machine."""
    filesystem = call.kwargs.get("filesystem")
    kind = getattr(filesystem, "type_name", "local")
    return what if filesystem is None or kind == "local" else f"{kind}://{what}"


def _stamped(schema: Any, mark: Stamp) -> Any:
    """The schema with the mark at each column that carries none."""
    for index, field in enumerate(schema):
        metadata = field.metadata or {}
        if KEY not in metadata:
            schema = schema.set(index, field.with_metadata({**metadata, KEY: mark.encode()}))
    return schema
