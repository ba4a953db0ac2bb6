"""What libraries open in C or reach over the network is seen too, and what they write in Arrow is marked."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import feather, parquet

from rayfaas.executor.libraries import follow_libraries
from rayfaas.executor.sightings import Kept, Seen
from rayfaas.stamps import Stamp, read_stamps
from rayfaas.touches import Touch
from tests.executor.replica import Replica

TABLE = pa.table({"a": [1, 2], "b": ["x", "y"]})
CALL = "01890a5d-ac96-774b-bcce-b302099a8057"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "in.parquet"
    parquet.write_table(TABLE, path)
    return path


def names(touches: list[Touch]) -> list[tuple[str, str, str, tuple[str, ...]]]:
    return sorted((each.mode, Path(each.uri).name, each.how, each.columns) for each in touches)


WAYS = {
    "pyarrow": "import pyarrow.parquet as pq\ndef f(i, o): pq.write_table(pq.read_table(i), o)",
    "from": "from pyarrow.parquet import read_table, write_table\n"
    "def f(i, o): write_table(read_table(source=i), where=o)",
    "dataset": "import pyarrow.dataset as ds, pyarrow.parquet as pq\n"
    "def f(i, o): pq.write_table(ds.dataset(i).to_table(), o)",
    "polars": "import polars as pl\ndef f(i, o): pl.read_parquet(i).write_parquet(o)",
    "lazy": "import polars as pl\ndef f(i, o): pl.scan_parquet([i]).collect().write_parquet(o)",
    "pandas": "import pandas as pd\ndef f(i, o): pd.read_parquet(i).to_parquet(o)",
    "feather": "import pyarrow.parquet as pq\nfrom pyarrow import feather\n"
    "def f(i, o): feather.write_feather(pq.read_table(i), o)",
    "ipc": "import pyarrow.parquet as pq, pyarrow as pa\ndef f(i, o):\n  t = pq.read_table(i)\n"
    "  with pa.OSFile(o, 'wb') as s, pa.ipc.new_file(s, t.schema) as w: w.write_table(t)\n  open(o).close()",
}


@pytest.mark.parametrize("way", WAYS)
async def test_what_is_opened_in_c_is_seen_and_marked(replica: Replica, file: Path, way: str) -> None:
    target = file.with_name("out")
    version = await replica.deploy(WAYS[way])
    call = version.call(str(file), str(target))
    read, *wrote = names(await call.touches())
    assert read[:2] == ("read", "in.parquet")
    if way != "ipc":  # whose file is opened by an object that can't be followed: `rayfaas.writes` is for that
        assert [each[1] for each in wrote] == ["out"]
        assert wrote[0][3] == ("a", "b")
    mark = Stamp(call.header.call_id, "default/f", version.order.version)
    assert read_stamps(target) == {"a": mark, "b": mark}


async def test_a_column_keeps_the_mark_that_it_has(replica: Replica, file: Path) -> None:
    source = """
        import pyarrow as pa, pyarrow.parquet as pq
        def f(i, o):
            table = pq.read_table(i)
            pq.write_table(table.append_column("c", pa.array([0, 0])), o)
    """
    version = await replica.deploy(source)
    first, second = file.with_name("first.parquet"), file.with_name("second.parquet")
    await (one := version.call(str(file), str(first))).value()
    other = await replica.deploy(source.replace('"c"', '"d"'))
    await (two := other.call(str(first), str(second))).value()
    marks = {column: mark and mark.call for column, mark in read_stamps(second).items()}
    assert marks == dict.fromkeys("abc", one.header.call_id) | {"d": two.header.call_id}


def test_outside_of_calls_nothing_is_marked(file: Path) -> None:
    assert read_stamps(file) == {"a": None, "b": None}
    feather.write_feather(TABLE, file)
    assert read_stamps(file) == {"a": None, "b": None}
    file.write_text("a,b")
    assert read_stamps(file) == {}


async def test_a_directory_and_a_pattern_are_the_files_that_they_stand_for(replica: Replica, file: Path) -> None:
    source = """
        import polars as pl, pyarrow.dataset as ds
        def f(folder):
            ds.write_dataset(pl.read_parquet(folder + "/*.parquet").to_arrow(), folder + "/parts", format="parquet")
    """
    touches = names(await (await replica.deploy(source)).call(str(file.parent)).touches())
    assert [each[:3] for each in touches] == [
        ("read", "in.parquet", "polars"),
        ("write", "part-0.parquet", "pyarrow"),
    ]


async def test_objects_of_fsspec_are_named_as_it_names_them(replica: Replica) -> None:
    source = """
        import fsspec
        def f():
            with fsspec.open("memory://shop/x", "wb") as file: file.write(b"1")
            with fsspec.open("memory://shop/x") as file: file.read()
    """
    touches = await (await replica.deploy(source)).call().touches()
    assert [(each.mode, each.uri, each.how) for each in touches] == [
        ("write", "memory:///shop/x", "fsspec"),
        ("read", "memory:///shop/x", "fsspec"),
    ]


async def test_objects_in_s3_have_the_version_that_s3_gave_them(replica: Replica) -> None:
    source = """
        import os
        os.environ |= {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
        import boto3, io
        from moto import mock_aws
        @mock_aws
        def f():
            s3 = boto3.client("s3")
            s3.create_bucket(Bucket="bucket")
            s3.put_object(Bucket="bucket", Key="etag", Body=b"1")
            s3.put_bucket_versioning(Bucket="bucket", VersioningConfiguration={"Status": "Enabled"})
            first = s3.put_object(Bucket="bucket", Key="k", Body=b"1")["VersionId"]
            s3.download_fileobj("bucket", "k", io.BytesIO())
            s3.copy_object(Bucket="bucket", Key="copy", CopySource={"Bucket": "bucket", "Key": "etag"})
            return first
    """
    call = (await replica.deploy(source)).call()
    first = await call.value()
    touches = {(each.mode, each.uri): each.version for each in await call.touches() if each.how == "boto3"}
    assert touches["write", "s3://bucket/k"] == touches["read", "s3://bucket/k"] == first
    assert touches["write", "s3://bucket/etag"] == "etag:c4ca4238a0b923820dcc509a6f75849b"
    assert {uri for mode, uri in touches if mode == "read"} == {"s3://bucket/k", "s3://bucket/etag"}


def test_a_library_that_is_otherwise_in_another_release_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "safetensors").mkdir()
    (tmp_path / "safetensors/__init__.py").touch()
    (tmp_path / "safetensors/numpy.py").write_text("def load_file(path): return path\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    seen: list[Seen | Kept] = []
    follow_libraries(seen.append, lambda: None)
    loaded: Any = importlib.import_module("safetensors.numpy").load_file("x")
    assert (loaded, seen) == ("x", [Seen("read", "x", "safetensors")])
    monkeypatch.delitem(sys.modules, "safetensors")
    monkeypatch.delitem(sys.modules, "safetensors.numpy")
