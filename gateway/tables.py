"""Answers of SQL in the type that the caller takes: JSON, lines of JSON, CSV, Arrow or Parquet."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from rayfaas.errors import NotAcceptable
from rayfaas.gateway.requests import as_json
from rayfaas.wire import ARROW, CSV, JSON, NDJSON, PARQUET, preferences

ENCODINGS = {JSON: "", NDJSON: "ndjson", CSV: "csv", ARROW: "arrow", PARQUET: "parquet"}
"""By type, what the controller calls it; JSON is the answer that says of itself what it is."""
_ANY = {"*/*": JSON, "application/*": JSON, "text/*": CSV}


def media_for(accept: str | None) -> str:
    """The best that the caller takes and that there is. Raises `NotAcceptable`.

    >>> media_for("text/html, text/csv;q=0.5"), media_for(None)
    ('text/csv', 'application/json')
    """
    for wanted in preferences(accept or JSON):
        media = _ANY.get(wanted, wanted)
        if media in ENCODINGS:
            return media
    raise NotAcceptable(f"The answer can be {', '.join(ENCODINGS)}, and not {accept}.")


def table_response(answer: dict[str, Any], media: str) -> Response:
    """`Rayfaas-Truncated` says whether there were more rows than the limit."""
    if media == JSON:
        return as_json(answer)
    headers = {"rayfaas-truncated": str(answer["truncated"]).lower()}
    return Response(answer["body"], media_type=media, headers=headers)
