"""Forms: fields and files become arguments by their names; a form that is none is refused."""

from __future__ import annotations

import httpx
import pytest

from rayfaas.errors import MalformedBody
from rayfaas.wire import File
from rayfaas.wire.multipart import decode_multipart

BOUNDARY = "multipart/form-data; boundary=b"


def form(*parts: str) -> bytes:
    return "".join(f"--b\r\n{part}\r\n" for part in parts).encode() + b"--b--\r\n"


def field(name: str, value: str, more: str = "") -> str:
    return f'Content-Disposition: form-data; name="{name}"{more}\r\n\r\n{value}'


def test_a_form_of_a_real_client_is_arguments() -> None:
    request = httpx.Request(
        "POST",
        "http://x",
        data={"title": "Straße", "n": "3"},
        files={"photo": ("cät.png", b"\x89PNG\r\n\x00--b", "image/png"), "plain": b"text"},
    )
    fields = decode_multipart(request.headers["content-type"], request.read())
    assert fields == {"title": "Straße", "n": "3", "photo": b"\x89PNG\r\n\x00--b", "plain": b"text"}
    photo = fields["photo"]
    assert isinstance(photo, File)
    assert (photo.filename, photo.content_type) == ("cät.png", "image/png")


def test_a_name_that_comes_again_is_a_list() -> None:
    assert decode_multipart(BOUNDARY, form(field("x", "1"), field("y", ""), field("x", "2"))) == {
        "x": ["1", "2"],
        "y": "",
    }


def test_a_field_of_json_is_decoded() -> None:
    part = 'Content-Disposition: form-data; name="x"\r\nContent-Type: application/json\r\n\r\n{"a": [1]}'
    assert decode_multipart(BOUNDARY, form(part)) == {"x": {"a": [1]}}


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", form(field("x", "1"))),
        ("multipart/form-data; boundary=", form(field("x", "1"))),
        (BOUNDARY, b"no form"),
        (BOUNDARY, form(field("x", "1"))[:-6]),
        (BOUNDARY, form("Content-Disposition: form-data\r\n\r\n1")),
        (BOUNDARY, form("\r\n1")),
        (BOUNDARY, b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n\xff\r\n--b--\r\n'),
        (BOUNDARY, form('Content-Disposition: form-data; name="x"\r\nContent-Type: application/json\r\n\r\n{')),
    ],
)
def test_what_is_no_form_is_refused(content_type: str, body: bytes) -> None:
    with pytest.raises(MalformedBody):
        decode_multipart(content_type, body)
