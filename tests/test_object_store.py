"""Where the archive may be kept, and what is told where that is no place, or can't be reached from here."""

from __future__ import annotations

import importlib.util

import pytest

from rayfaas.errors import BadRequest
from rayfaas.object_store import parse_archive


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("s3://bucket", "s3://bucket"),
        ("s3://bucket/a/b/", "s3://bucket/a/b"),
        ("/mnt/nas", "file:///mnt/nas"),
        ("file:///mnt/nas", "file:///mnt/nas"),
    ],
)
def test_a_place_is_a_url_without_a_slash_at_its_end(text: str, url: str) -> None:
    assert parse_archive(text) == url


@pytest.mark.parametrize(
    "text", ["bucket", "s3://", "s3:///", "relative/path", "http://host/x", "memory://a", "s3://b/*", "s3://b/a b", "/"]
)
def test_what_is_no_place_is_told(text: str) -> None:
    with pytest.raises(BadRequest, match="is no place for the archive"):
        parse_archive(text)


@pytest.mark.parametrize(("url", "extra"), [("gs://b", "gs"), ("az://c/p", "az"), ("abfs://c", "az"), ("s3://b", "s3")])
def test_what_to_install_is_told(monkeypatch: pytest.MonkeyPatch, url: str, extra: str) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(BadRequest, match=rf"pip install 'rayfaas\[{extra}\]'"):
        parse_archive(url)
