"""Where a request is meant to go below the place where an application is mounted, be it another's or our own Mount.

ASGI servers and Starlette's Mount keep the whole path and say in `root_path` how much of it is not the application's.
"""

from __future__ import annotations

from urllib.parse import quote

from starlette.types import Scope

_SAFE = "/%:@!$&'()*+,;=~"


def route_path(scope: Scope) -> str:
    """The path below the mount, decoded."""
    path: str = scope["path"]
    return path[len(scope.get("root_path", "")) :] if _is_below(scope) else path


def raw_route_path(scope: Scope) -> bytes:
    """The path below the mount as it was sent; where the server does not tell, as it would have been."""
    raw: bytes = scope.get("raw_path") or quote(scope["path"], safe=_SAFE).encode()
    if not _is_below(scope):
        return raw
    taken = scope.get("root_path", "").count("/")
    return b"/" + b"/".join(raw.split(b"/")[taken + 1 :])


def _is_below(scope: Scope) -> bool:
    root: str = scope.get("root_path", "")
    path: str = scope["path"]
    return bool(root) and (path == root or path.startswith(root + "/"))
