"""Libraries that open files in C, or read and write over the network, which no audit event tells of.

Their functions are wrapped when they are imported.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import NamedTuple

from rayfaas.executor.arrow_files import follow_ipc, path_in, stamp_polars, write_arrow, write_feather
from rayfaas.executor.hdf_files import opened_hdf
from rayfaas.executor.post_import import when_imported
from rayfaas.executor.sightings import Note, Seen
from rayfaas.executor.stores import called_aws, downloaded, fetched, logged, opened
from rayfaas.executor.wrapping import Call, after, after_async, before
from rayfaas.stamps import MakeStamp
from rayfaas.touches import Mode


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


def _follow_given(note: Note, how: str, functions: tuple[Given, ...], module: ModuleType) -> None:
    for given in functions:
        owner = getattr(module, given.owner, None) if given.owner else module
        if hasattr(owner, given.function):
            before(owner, given.function, functools.partial(_given, note, how, given))


def _given(note: Note, how: str, given: Given, call: Call) -> None:
    what = call.get(given.place, given.argument)
    columns = call.args[0].columns if given.owner == "DataFrame" else ()
    note(Seen(given.mode, path_in(what, call), how, columns=tuple(map(str, columns))))


def _followers(note: Note, stamp: MakeStamp) -> Mapping[str, Callable[[ModuleType], None]]:
    """Those that an argument alone does not tell of."""
    return {
        "pyarrow.parquet.core": lambda it: before(it.ParquetWriter, "__init__", write_arrow(note, stamp, 1, "where")),
        "pyarrow.feather": lambda it: before(it, "write_feather", write_feather(note, stamp)),
        "pyarrow.ipc": lambda it: follow_ipc(it, note, stamp),
        "polars": lambda it: before(it.DataFrame, "write_parquet", stamp_polars(stamp)),
        "fsspec.spec": lambda it: after(it.AbstractFileSystem, "open", functools.partial(opened, note)),
        "botocore.client": lambda it: after(
            it.BaseClient, "_make_api_call", functools.partial(called_aws, note, "boto3")
        ),
        "aiobotocore.client": lambda it: after_async(
            it.AioBaseClient, "_make_api_call", functools.partial(called_aws, note, "fsspec")
        ),
        "h5py._hl.files": lambda it: before(it.File, "__init__", functools.partial(opened_hdf, note)),
        "huggingface_hub.file_download": lambda it: after(it, "hf_hub_download", functools.partial(downloaded, note)),
        "huggingface_hub._snapshot_download": lambda it: after(
            it, "snapshot_download", functools.partial(downloaded, note)
        ),
        "mlflow.tracking.artifact_utils": lambda it: before(
            it, "_download_artifact_from_uri", functools.partial(fetched, note)
        ),
        "mlflow.models.model": lambda it: after(it.Model, "log", functools.partial(logged, note)),
    }


def _all(followers: list[Callable[[ModuleType], None]], module: ModuleType) -> None:
    for follow in followers:
        follow(module)
