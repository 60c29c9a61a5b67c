"""What is done to a picture's bytes: telling what it is, a thumbnail, a blur to show while it loads. Plain helpers."""

import base64
import io
from dataclasses import dataclass
from typing import Self

from PIL import Image, UnidentifiedImageError

from functions.constants import BLUR_SIDE, MAX_PIXELS, THUMBNAIL_QUALITY, THUMBNAIL_SIDE

EXTENSIONS = {"PNG": "png", "JPEG": "jpg", "WEBP": "webp"}
MIME_TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}


class NotAPicture(ValueError):
    """The bytes are no picture of a kind we keep."""


@dataclass(frozen=True)
class Picture:
    """A picture, and what is derived from it."""

    data: bytes
    mime_type: str
    extension: str
    thumbnail: bytes  # JPEG
    blur_data_url: str

    @classmethod
    def read(cls, data: bytes) -> Self:
        """Look at the bytes themselves: what a server calls them may be wrong. Raises NotAPicture."""
        try:
            with Image.open(io.BytesIO(data), formats=tuple(EXTENSIONS)) as opened:
                if opened.width * opened.height > MAX_PIXELS:
                    raise NotAPicture(f"{opened.width}×{opened.height} pixels")
                kind = str(opened.format)
                image = opened.convert("RGB")
        except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
            raise NotAPicture(str(error)) from None
        blur = _jpeg(image, BLUR_SIDE, quality=50)
        return cls(
            data=data,
            mime_type=MIME_TYPES[kind],
            extension=EXTENSIONS[kind],
            thumbnail=_jpeg(image, THUMBNAIL_SIDE, quality=THUMBNAIL_QUALITY),
            blur_data_url=f"data:image/jpeg;base64,{base64.b64encode(blur).decode()}",
        )


def _jpeg(image: Image.Image, side: int, *, quality: int) -> bytes:
    """At most `side` pixels wide and high; never larger than it was."""
    small = image.copy()
    small.thumbnail((side, side))
    target = io.BytesIO()
    small.save(target, "JPEG", quality=quality, optimize=True)
    return target.getvalue()
