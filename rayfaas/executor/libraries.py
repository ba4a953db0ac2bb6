"""Libraries that open files in C, or read and write over the network, which no audit event tells of.

Their functions are wrapped when they are imported. A wrapper notes what it was given, and calls the function: whatever
goes wrong in it, the function is called as the user called it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, NamedTuple

from rayfaas.executor.post_import import when_imported
from rayfaas.executor.sightings import Seen
from rayfaas.stamps import KEY, Stamp, file_key
from rayfaas.touches import Mode

Note = Callable[[Seen], None]
MakeStamp = Callable[[], Stamp | None]


class Call(NamedTuple):
    """A call of a function of a library; `result` when it has returned."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    result: Any = None

    def get(self, place: int, name: str, default: Any = None) -> Any:
        return self.args[place] if len(self.args) > place else self.kwargs.get(name, default)


class Given(NamedTuple):
    """A function whose argument names what it reads or writes. `owner` is a class of the module, if it is a method."""

    function: str
    place: int
    argument: str
    mode: Mode = "read"
    owner: str = ""


_POLARS_FILES = ("parquet", "csv", "ipc", "ndjson")
_SAFETENSORS = (Given("load_file", 0, "filename"), Given("save_file", 1, "filename", "write"))
_GIVEN: dict[str, tuple[str, tuple[Given, ...]]] = {
    "pyarrow": ("pyarrow", (Given("memory_map", 0, "path"), Given("input_stream", 0, "source"))),
    "pyarrow.parquet.core": (
        "pyarrow",
        (
            Given("__init__", 1, "source", owner="ParquetFile"),
            Given("__init__", 1, "path_or_paths", owner="ParquetDataset"),
        ),
    ),
    "pyarrow.dataset": ("pyarrow", (Given("dataset", 0, "source"), Given("write_dataset", 1, "base_dir", "write"))),
    "pyarrow.feather": ("pyarrow", (Given("read_table", 0, "source"), Given("read_feather", 0, "source"))),
    "pyarrow.csv": (
        "pyarrow",
        (
            Given("read_csv", 0, "input_file"),
            Given("open_csv", 0, "input_file"),
            Given("write_csv", 1, "output_file", "write"),
        ),
    ),
    "pandas.core.frame": ("pandas", (Given("to_parquet", 1, "path", "write", "DataFrame"),)),
    "polars": (
        "polars",
        (
            *(Given(f"{verb}_{kind}", 0, "source") for verb in ("read", "scan") for kind in _POLARS_FILES),
            *(Given(f"read_{kind}", 0, "source") for kind in ("ipc_stream", "json", "avro")),
            *(Given(f"write_{kind}", 1, "file", "write", "DataFrame") for kind in (*_POLARS_FILES, "json", "avro")),
            *(Given(f"sink_{kind}", 1, "path", "write", "LazyFrame") for kind in _POLARS_FILES),
        ),
    ),
    "safetensors.torch": ("safetensors", _SAFETENSORS),
    "safetensors.numpy": ("safetensors", _SAFETENSORS),
    "torch.serialization": ("torch", (Given("save", 1, "f", "write"),)),
}  # fmt: skip


def follow_libraries(note: Note, stamp: MakeStamp) -> None:
    """Have `note` called with what they read and write from now on; what they write carries what `stamp` makes."""
    wanted: dict[str, list[Callable[[ModuleType], None]]] = {}
    for module, (how, functions) in _GIVEN.items():
        wanted.setdefault(module, []).append(functools.partial(_follow_given, note, how, functions))
    for module, follow in _followers(note, stamp).items():
        wanted.setdefault(module, []).append(follow)
    when_imported({name: functools.partial(_all, followers) for name, followers in wanted.items()})


def _followers(note: Note, stamp: MakeStamp) -> Mapping[str, Callable[[ModuleType], None]]:
    """Those that an argument alone does not tell of."""
    return {
        "pyarrow.parquet.core": lambda it: _before(it.ParquetWriter, "__init__", _write_arrow(note, stamp, 1, "where")),
        "pyarrow.feather": lambda it: _before(it, "write_feather", _write_feather(note, stamp)),
        "pyarrow.ipc": lambda it: _follow_ipc(it, note, stamp),
        "polars": lambda it: _before(it.DataFrame, "write_parquet", _stamp_polars(stamp)),
        "fsspec.spec": lambda it: _after(it.AbstractFileSystem, "open", functools.partial(_opened, note)),
        "botocore.client": lambda it: _after(it.BaseClient, "_make_api_call", functools.partial(_called_aws, note)),
        "huggingface_hub.file_download": lambda it: _after(it, "hf_hub_download", functools.partial(_downloaded, note)),
        "huggingface_hub._snapshot_download": lambda it: _after(
            it, "snapshot_download", functools.partial(_downloaded, note)
        ),
        "mlflow.tracking.artifact_utils": lambda it: _before(
            it, "_download_artifact_from_uri", functools.partial(_fetched, note)
        ),
        "mlflow.models.model": lambda it: _after(it.Model, "log", functools.partial(_logged, note)),
    }


def _all(followers: list[Callable[[ModuleType], None]], module: ModuleType) -> None:
    for follow in followers:
        follow(module)


# Wrapping


def _before(owner: Any, name: str, look: Callable[[Call], Call | None]) -> None:
    """Have `look` see each call of it, and change its arguments where it answers."""
    function = getattr(owner, name)

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        call = Call(args, kwargs)
        try:
            call = look(call) or call
        except Exception:  # noqa: BLE001 the user's call is made in any case
            pass
        return function(*call.args, **call.kwargs)

    setattr(owner, name, wrapped)


def _after(owner: Any, name: str, look: Callable[[Call], None]) -> None:
    """Have `look` see each call of it that has returned."""
    function = getattr(owner, name)

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        try:
            look(Call(args, kwargs, result))
        except Exception:  # noqa: BLE001 the user's call has returned in any case
            pass
        return result

    is_class_method = isinstance(vars(owner).get(name), classmethod)
    setattr(owner, name, staticmethod(wrapped) if is_class_method else wrapped)


def _follow_given(note: Note, how: str, functions: tuple[Given, ...], module: ModuleType) -> None:
    for given in functions:
        owner = getattr(module, given.owner, None) if given.owner else module
        if hasattr(owner, given.function):
            _before(owner, given.function, functools.partial(_given, note, how, given))


def _given(note: Note, how: str, given: Given, call: Call) -> None:
    what = call.get(given.place, given.argument)
    columns = call.args[0].columns if given.owner == "DataFrame" else ()
    note(Seen(given.mode, _at(what, call), how, columns=tuple(map(str, columns))))


def _at(what: Any, call: Call) -> Any:
    """A path in another file system of pyarrow's is no path of this machine."""
    filesystem = call.kwargs.get("filesystem")
    kind = getattr(filesystem, "type_name", "local")
    return what if filesystem is None or kind == "local" else f"{kind}://{what}"


# Arrow: what is written is marked


def _write_arrow(note: Note, stamp: MakeStamp, place: int, argument: str) -> Callable[[Call], Call]:
    """A writer of Parquet or Arrow files, made with a schema."""

    def look(call: Call) -> Call:
        schema = call.get(place + 1, "schema")
        note(Seen("write", _at(call.get(place, argument), call), "pyarrow", columns=tuple(schema.names)))
        mark = stamp()
        return call if mark is None else _with(call, place + 1, "schema", _stamped(schema, mark))

    return look


def _write_feather(note: Note, stamp: MakeStamp) -> Callable[[Call], Call]:
    def look(call: Call) -> Call:
        data, mark = call.get(0, "df"), stamp()
        schema = getattr(data, "schema", None)
        columns = getattr(data, "columns", ()) if schema is None else schema.names
        note(Seen("write", call.get(1, "dest"), "pyarrow", columns=tuple(map(str, columns))))
        if mark is None or schema is None:
            return call
        return _with(call, 0, "df", type(data).from_arrays(data.columns, schema=_stamped(schema, mark)))

    return look


def _follow_ipc(ipc: Any, note: Note, stamp: MakeStamp) -> None:
    for writer in (ipc.RecordBatchFileWriter, ipc.RecordBatchStreamWriter):
        _before(writer, "__init__", _write_arrow(note, stamp, 1, "sink"))


def _stamped(schema: Any, mark: Stamp) -> Any:
    """The schema with the mark at each column that carries none."""
    for index, field in enumerate(schema):
        metadata = field.metadata or {}
        if KEY not in metadata:
            schema = schema.set(index, field.with_metadata({**metadata, KEY: mark.encode()}))
    return schema


def _stamp_polars(stamp: MakeStamp) -> Callable[[Call], Call | None]:
    """It writes no metadata of fields, but of the file."""

    def look(call: Call) -> Call | None:
        mark = stamp()
        if mark is None or call.kwargs.get("metadata") is not None or call.kwargs.get("use_pyarrow"):
            return None
        text = mark.encode().decode()
        marks = {file_key(column).decode(): text for column in call.args[0].columns}
        return Call(call.args, {**call.kwargs, "metadata": marks})

    return look


def _with(call: Call, place: int, name: str, value: Any) -> Call:
    if len(call.args) > place:
        return Call((*call.args[:place], value, *call.args[place + 1 :]), call.kwargs)
    return Call(call.args, {**call.kwargs, name: value})


# Over the network


def _opened(note: Note, call: Call) -> None:
    """A file of fsspec. Those of this machine are opened by Python, and seen there."""
    filesystem, path, mode = call.args[0], call.get(1, "path"), str(call.get(2, "mode", "rb"))
    protocol = filesystem.protocol
    names = {protocol} if isinstance(protocol, str) else set(protocol)
    if names & {"file", "local"}:
        return
    details = getattr(call.result, "_details", None) or {}
    version = _version_of(details) if "r" in mode and isinstance(details, dict) else None
    uri = str(filesystem.unstrip_protocol(path))
    note(Seen("read" if "r" in mode else "write", uri, "fsspec", version))


_AWS: dict[str, Mode] = {
    "GetObject": "read",
    "PutObject": "write",
    "CompleteMultipartUpload": "write",
    "CopyObject": "write",
}


def _called_aws(note: Note, call: Call) -> None:
    """An operation of boto3 on an object in S3."""
    operation, parameters, answer = call.get(1, "operation_name"), call.get(2, "api_params"), call.result
    mode = _AWS.get(operation)
    if mode is None or "Bucket" not in parameters:
        return
    if operation == "CopyObject":
        note(Seen("read", *_copied(parameters["CopySource"], answer)))
    uri = f"s3://{parameters['Bucket']}/{parameters['Key']}"
    note(Seen(mode, uri, "boto3", _version_of({**answer.get("CopyObjectResult", {}), **answer})))


def _copied(source: Any, answer: Mapping[str, Any]) -> tuple[str, str, str | None]:
    if isinstance(source, str):
        path, _, version = source.partition("?versionId=")
        return f"s3://{path.lstrip('/')}", "boto3", version or answer.get("CopySourceVersionId")
    of_source = source.get("VersionId") or answer.get("CopySourceVersionId")
    return f"s3://{source['Bucket']}/{source['Key']}", "boto3", of_source


def _version_of(details: Mapping[str, Any]) -> str | None:
    """The store's own version of an object, else its ETag."""
    version = details.get("VersionId")
    if version and version != "null":
        return str(version)
    etag = details.get("ETag") or details.get("etag")
    return f"etag:{str(etag).strip(chr(34))}" if etag else None


def _downloaded(note: Note, call: Call) -> None:
    """From Hugging Face: the path in its cache tells of repository and commit."""
    if isinstance(call.result, str):
        note(Seen("read", call.result, "hf"))


# MLflow


def _fetched(note: Note, call: Call) -> None:
    note(Seen("read", *_mlflow(str(call.get(0, "artifact_uri")))))


def _logged(note: Note, call: Call) -> None:
    uri, version = getattr(call.result, "model_uri", None), getattr(call.result, "registered_model_version", None)
    name = call.kwargs.get("registered_model_name")
    if name and version:
        note(Seen("write", f"models:/{name}", "mlflow", str(version)))
    if uri:
        note(Seen("write", *_mlflow(str(uri))))


def _mlflow(uri: str) -> tuple[str, str, str | None]:
    """`models:/bert/3` is version 3 of `models:/bert`; `runs:/<run>/model` is the run's, for ever.

    >>> _mlflow("models:/bert/3")
    ('models:/bert', 'mlflow', '3')
    """
    scheme, _, rest = uri.partition(":/")
    name, _, version = rest.strip("/").partition("/")
    if scheme == "runs":
        return uri, "mlflow", name
    if scheme == "models" and version.isdigit():
        return f"models:/{name}", "mlflow", version
    if scheme == "models" and name.startswith("m-"):
        return uri, "mlflow", name
    return uri, "mlflow", None
