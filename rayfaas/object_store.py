"""Where the archive is kept, as `rayfaas up --archive` says it: the URL of an object store, or a folder."""

from __future__ import annotations

import importlib.util
import re

from rayfaas.errors import BadRequest

# By scheme: the library that speaks to the store, and the extra of rayfaas that installs it.
_LIBRARIES = {
    "s3": ("s3fs", "s3"),
    "gs": ("gcsfs", "gs"),
    "gcs": ("gcsfs", "gs"),
    "abfs": ("adlfs", "az"),
    "az": ("adlfs", "az"),
    "file": ("fsspec", "server"),
}


def parse_archive(text: str) -> str:
    """The URL that files are put below. Raises `BadRequest`, with what to install where that is what is missing.

    >>> parse_archive("/mnt/nas/faas/")
    'file:///mnt/nas/faas'
    """
    scheme, _, place = (f"file://{text}" if text.startswith("/") else text).partition("://")
    place = place.rstrip("/")
    if scheme not in _LIBRARIES or not re.fullmatch(r"[^*?\[\]{}#:|'\s]+", place):
        raise BadRequest(
            f"{text} is no place for the archive. Say s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX, "
            "abfs://CONTAINER/PREFIX, or the whole path of a folder, without blanks and any of * ? [ ] { } # : | '"
        )
    library, extra = _LIBRARIES[scheme]
    if importlib.util.find_spec(library) is None:
        raise BadRequest(f"For {scheme}:// the server needs {library}: pip install 'rayfaas[{extra}]'")
    return f"{scheme}://{place}"
