"""What crosses the wire, over real HTTP: encodings by Content-Type and Accept, the SDK's choice, many inputs."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from PIL import Image

import rayfaas
from rayfaas.errors import BadRequest, Forbidden, FunctionError, InvalidArguments, ResultNotSerializable
from rayfaas.wire import ARROW, MSGPACK
from rayfaas.wire.arrow import decode_arrow, encode_arrow
from rayfaas.wire.image import encode_image, open_image
from tests.e2e.conftest import Server, eventually
from tests.wire.samples import same

Write = Callable[[str, str], Path]

MODULE = """
import dataclasses
import numpy as np
import pandas as pd
from PIL import Image
import rayfaas

@dataclasses.dataclass
class Point:
    x: float
    y: float

def echo(value):
    return value

def total(frame: pd.DataFrame) -> float:
    return float(frame["a"].sum())

def describe(title: str, photo: rayfaas.File, times: int = 1) -> dict[str, object]:
    return {"title": title * times, "name": photo.filename, "bytes": len(photo), "type": photo.content_type}

def reverse(data: bytes) -> bytes:
    return data[::-1]

def mirror(image: Image.Image) -> Image.Image:
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)

def shift(point: Point) -> Point:
    return Point(point.x + 1, point.y)

def half(n: int) -> float:
    print("halving", n)
    return 1 / n

def thing(n: int) -> object:
    return range(n)

def ask(value):
    return rayfaas.get("echo").remote(value)
"""
NAMES = ("echo", "total", "describe", "reverse", "mirror", "shift", "half", "thing", "ask")


@pytest.fixture(scope="module")
def deployed(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Server:
    path = tmp_path_factory.mktemp("wire") / "wired.py"
    path.write_text(MODULE)
    for name in NAMES:
        server.deploy(path, name)
    return server


@pytest.fixture
def client(deployed: Server) -> Iterator[rayfaas.Client]:
    with rayfaas.Client(deployed.url, deployed.token) as client:
        yield client


def remote(client: rayfaas.Client, name: str, **options: Any) -> rayfaas.RemoteFunction[..., Any]:
    return rayfaas.get(name).with_options(client=client, **options)


def post(server: Server, name: str, content: bytes, content_type: str, accept: str = "*/*") -> Any:
    headers = {"Content-Type": content_type, "Accept": accept}
    return server.http.post(f"/call/{name}", content=content, headers=headers)


def test_the_sdk_gets_what_the_function_returned(client: rayfaas.Client) -> None:
    echo = remote(client, "echo")
    frame = pd.DataFrame({"a": [1.5, None], "s": ["x", None]}, index=[3, 4])
    values = [
        {"nested": [np.arange(6).reshape(2, 3), b"\xff\x00", float("nan"), (1, 2)]},
        frame,
        pl.DataFrame({"x": [1, None]}),
        pa.table({"t": ["a", "b"]}),
        np.arange(1 << 20),  # 8 MiB, the long way
    ]
    for value in values:
        expected = {"nested": [*value["nested"][:3], [1, 2]]} if isinstance(value, dict) else value
        assert same(echo.remote(value), expected)
    assert remote(client, "total").remote(frame) == 1.5
    assert same(remote(client, "ask").remote(np.arange(3)), np.arange(3))
    assert same(echo.spawn(np.arange(3)).result(30), np.arange(3))
    assert [same(x, np.array([n])) for n, x in enumerate(echo.map(np.array([n]) for n in range(3)))] == [True] * 3


def test_a_frame_is_arrow_or_rows_whatever_the_function_is_written_for(deployed: Server) -> None:
    table = pa.table({"a": [1, 2, 4]})
    arrow = post(deployed, "total", bytes(encode_arrow(table)), ARROW)
    rows = deployed.call("total", [{"a": 1}, {"a": 6}])
    assert (arrow.json(), rows) == (7.0, 7.0)
    answer = post(deployed, "echo", bytes(encode_arrow(table)), ARROW, ARROW)
    assert decode_arrow(answer.content).equals(table)


def test_forms_raw_bytes_messagepack_and_images(deployed: Server) -> None:
    answer = deployed.http.post(
        "/call/describe", data={"title": "cat", "times": "2"}, files={"photo": ("cät.png", b"\x89PNG", "image/png")}
    )
    assert answer.json() == {"title": "catcat", "name": "cät.png", "bytes": 4, "type": "image/png"}
    raw = post(deployed, "reverse", b"\x00\xff", "application/octet-stream")
    assert (raw.content, raw.headers["content-type"]) == (b"\xff\x00", "application/octet-stream")
    packed = post(deployed, "echo", msgspec.msgpack.encode({"value": b"\xff"}), MSGPACK, MSGPACK)
    assert msgspec.msgpack.decode(packed.content) == b"\xff"
    image = open_image(_two_pixels())
    for media in ("image/png", "image/jpeg"):
        answer = post(deployed, "mirror", _two_pixels(), "image/png", media)
        assert answer.headers["content-type"] == media
        there = open_image(answer.content).convert("L")
        assert abs(there.getpixel((0, 0)) - image.getpixel((1, 0))) < 20


def _two_pixels() -> bytes:
    image = Image.new("L", (2, 1), 0)
    image.putpixel((1, 0), 255)
    return encode_image(image, "image/png")


def test_what_nobody_can_read_or_make_is_refused_with_what_is_possible(deployed: Server) -> None:
    refused = [
        (post(deployed, "echo", b"<x/>", "application/xml"), 415, "application/msgpack"),
        (post(deployed, "echo", b"1", "application/json", "text/html"), 406, "application/msgpack"),
        (post(deployed, "echo", b"1", "application/json", "image/png"), 406, "application/json"),
    ]
    for answer, status, possible in refused:
        assert (answer.status_code, possible in answer.json()["detail"]) == (status, True)


def test_pickles_are_for_who_may_deploy_and_ask_for_them(deployed: Server, client: rayfaas.Client) -> None:
    assert remote(client, "echo", pickle=True).remote(range(3)) == range(3)
    assert remote(client, "thing", pickle=True).remote(3) == range(3)
    with pytest.raises(ResultNotSerializable):
        remote(client, "thing").remote(3)
    token = client.create_token("ivan", role="invoker")["token"]
    with rayfaas.Client(deployed.url, token) as invoker:
        assert eventually(lambda: remote(invoker, "echo").remote(1)) == 1
        with pytest.raises(Forbidden, match="role deployer"):
            remote(invoker, "echo").remote(range(3))
        assert same(remote(invoker, "echo").remote(np.arange(3)), np.arange(3))


def test_hints_turn_dicts_back_and_results_are_dicts(client: rayfaas.Client) -> None:
    assert remote(client, "shift").remote({"x": 1, "y": 2}) == {"x": 2.0, "y": 2.0}
    with pytest.raises(InvalidArguments):
        remote(client, "shift").remote(b"no point")
    with pytest.raises(FunctionError) as caught:
        remote(client, "half").remote(0)
    assert isinstance(caught.value, ZeroDivisionError)
    with pytest.raises(BadRequest):
        remote(client, "echo").remote(threading.Lock())


def test_many_inputs_are_calls_of_their_own(deployed: Server) -> None:
    body = b"".join(b'{"n": %d}\n' % n for n in range(100))
    answer = post(deployed, "half", body, "application/x-ndjson")
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["index"] for line in lines] == list(range(100))
    assert lines[0]["error"]["exception"] == "ZeroDivisionError"
    assert [line["result"] for line in lines[1:]] == [1 / n for n in range(1, 100)]
    request = answer.headers["rayfaas-call-id"]
    query = "SELECT state, count(*) FROM calls WHERE parent = ? GROUP BY state ORDER BY state"
    assert eventually(lambda: deployed.sql(query, request)) == [["FAILED", 1], ["SUCCEEDED", 99]]


def test_the_command_line_prints_arrays_as_json(deployed: Server) -> None:
    assert json.loads(deployed.rayfaas("call", "total", "-d", '{"frame": {"a": [1, 2]}}').stdout) == 3.0
