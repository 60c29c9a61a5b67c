"""What a file's content type may be, and how a browser is told to treat it (reliability rows 97 and 98).

A file is a stranger's bytes served from our origin. So a browser is never to guess at its type, and never to run it:
what cannot carry script is shown where it stands, everything else is a download, and whatever opens all the same opens
in a sandbox with no rights.
"""

from __future__ import annotations

import re

MOST = 255  # characters
UNKNOWN = "application/octet-stream"
_TYPE = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+/[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:[\t ]*;[\t -~]*)?")
_INLINE = frozenset(
    {
        "image/apng", "image/avif", "image/bmp", "image/gif", "image/heic", "image/heif", "image/jpeg", "image/png",
        "image/vnd.microsoft.icon", "image/webp", "image/x-icon",
        "audio/aac", "audio/flac", "audio/mp4", "audio/mpeg", "audio/ogg", "audio/wav", "audio/wave", "audio/webm",
        "audio/x-wav",
        "video/mp4", "video/mpeg", "video/ogg", "video/quicktime", "video/webm",
        "text/plain",
    }
)  # fmt: skip
_POLICY = "default-src 'none'; sandbox"


def is_content_type(text: str) -> bool:
    """Whether this can be sent as a header as it is, and is a media type."""
    return len(text) <= MOST and _TYPE.fullmatch(text) is not None


def safe_headers(content_type: str | None) -> dict[str, str]:
    """The headers of a file that say what it is and how to treat it."""
    told = content_type if content_type is not None and is_content_type(content_type) else UNKNOWN
    essence = told.partition(";")[0].strip().lower()
    return {
        "Content-Type": told,
        "Content-Disposition": "inline" if essence in _INLINE else "attachment",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": _POLICY,
        "Cross-Origin-Resource-Policy": "cross-origin",  # pages of other origins show these: that is what they are for
    }
