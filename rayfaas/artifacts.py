"""Saying what a call reads and writes, where nothing sees it by itself: a table of a database, a topic, a dashboard.

Files, and what goes through pyarrow, polars, fsspec, boto3, Hugging Face or MLflow, need not be said.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

SAID = "rayfaas.said"
"""The audit event that an executor hears; anywhere else nobody does, and nothing happens."""


def reads(uri: str | os.PathLike[str], version: str | None = None) -> None:
    """The call that this is said in reads an artifact: a URI, or a path. Outside a call it does nothing.

    `version` is what tells the artifact's states apart, in words of your own.

    >>> reads("postgres://shop/orders", version="2026-11-27")
    """
    sys.audit(SAID, "read", os.fspath(uri), version, ())


def writes(uri: str | os.PathLike[str], version: str | None = None, columns: Iterable[str] = ()) -> None:
    """The call that this is said in writes an artifact, or some columns of it. Outside a call it does nothing.

    >>> writes("postgres://shop/forecast", version="17", columns=["units"])
    """
    sys.audit(SAID, "write", os.fspath(uri), version, tuple(columns))
