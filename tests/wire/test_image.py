"""Images of any mode are written in each format, and what is no image is refused."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from rayfaas.errors import MalformedBody, ResultNotSerializable
from rayfaas.wire.image import encode_image, open_image


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA"])
@pytest.mark.parametrize("media", ["image/png", "image/jpeg", "image/webp"])
def test_an_image_is_written_and_read(mode: str, media: str) -> None:
    there = open_image(encode_image(Image.new(mode, (3, 2)), media))
    assert (there.size, f"image/{there.format.lower()}") == ((3, 2), media)


def test_a_mode_that_a_format_has_not_is_an_error() -> None:
    with pytest.raises(ResultNotSerializable, match="image/png"):
        encode_image(Image.new("CMYK", (1, 1)), "image/png")


def test_what_is_no_image_is_refused() -> None:
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 9).save(buffer, "PNG")
    for body in (b"", b"no image", buffer.getvalue()[:100]):
        with pytest.raises(MalformedBody):
            open_image(body)
