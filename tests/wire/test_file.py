"""Uploaded files are bytes that know their name."""

from __future__ import annotations

import pickle

import pydantic
import pytest

import rayfaas
from rayfaas.wire import File


def test_a_file_is_bytes_and_an_open_file() -> None:
    file = File(b"a,b", "table.csv", "text/csv")
    assert (file, file.open().read()) == (b"a,b", b"a,b")
    there = pickle.loads(pickle.dumps(file))
    assert (there, there.filename, there.content_type) == (b"a,b", "table.csv", "text/csv")
    assert rayfaas.File is File


def test_bytes_and_text_are_files_too_and_nothing_else_is() -> None:
    adapter = pydantic.TypeAdapter(File)
    file = File(b"x", "name")
    assert adapter.validate_python(file) is file
    assert (adapter.validate_python("ä"), adapter.validate_python(b"x").filename) == ("ä".encode(), "")
    assert adapter.json_schema() == {"type": "string", "format": "binary"}
    with pytest.raises(pydantic.ValidationError, match="multipart/form-data"):
        adapter.validate_python(1)
