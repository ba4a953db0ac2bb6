"""Images of Pillow, as PNG, JPEG or WebP."""

from __future__ import annotations

import io
from typing import Any

from rayfaas.errors import MalformedBody, ResultNotSerializable
from rayfaas.wire.media import JPEG, PNG, WEBP
from rayfaas.wire.optional import library

_FORMATS = {PNG: "PNG", JPEG: "JPEG", WEBP: "WEBP"}


def encode_image(image: Any, media: str) -> bytes:
    """JPEG knows neither transparency nor palettes: such an image is written in its colours alone."""
    buffer = io.BytesIO()
    try:
        if media == JPEG and image.mode not in ("L", "RGB", "CMYK"):
            image = image.convert("RGB")
        image.save(buffer, _FORMATS[media])
    except (OSError, ValueError, KeyError) as error:
        raise ResultNotSerializable(f"The image can't be written as {media}: {error}") from None
    return buffer.getvalue()


def open_image(body: bytes) -> Any:
    """Raises `MalformedBody`."""
    pillow = library("PIL.Image", MalformedBody)
    try:
        image = pillow.open(io.BytesIO(body))
        image.load()
    except (OSError, ValueError, SyntaxError, pillow.DecompressionBombError) as error:
        raise MalformedBody(f"The body is not an image that can be read: {error}") from None
    return image
