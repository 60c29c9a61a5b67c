"""Names: which are identifiers, and the one rule from Python's spelling to the wire's (design §2, "Names").

The rule only goes one way. To find the Python name of a wire name, look it up among the declared ones.
"""

from __future__ import annotations

import re
from functools import lru_cache

from reactor.limits import DEFAULT_LIMITS

_IDENTIFIER = re.compile(r"(?=.*[A-Za-z0-9])[A-Za-z_][A-Za-z0-9_]*")


def is_identifier(name: str, *, max_length: int = DEFAULT_LIMITS.identifier_length) -> bool:
    """Whether tables, indexes, functions and schema fields may have the name (reference §3.3).

    Users' tables, indexes and fields must, beyond that, not start with `_`.
    """
    return len(name) <= max_length and _IDENTIFIER.fullmatch(name) is not None


@lru_cache(maxsize=4096)
def wire_name(python_name: str) -> str:
    """The camelCase name of a snake_case one: `created_at` → `createdAt`, `s3_key` → `s3Key`, `from_` → `from`.

    Split at `_`, capitalise the first letter of every part but the first; a trailing underscore thus disappears, and
    what is camelCase already stays. Leading underscores are kept: `_id` is the system's.
    """
    stem = python_name.lstrip("_")
    if not stem:
        return python_name
    first, *rest = stem.split("_")
    return python_name[: len(python_name) - len(stem)] + first + "".join(part[:1].upper() + part[1:] for part in rest)
