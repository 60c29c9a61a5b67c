"""Which route answers a request (reference §2.5): patterns of paths, and a table that is asked with a method and a path.

Paths are compared segment by segment, each percent-decoded on its own, so that `%2F` never makes a new segment and `..`
is a name like any other. The server asks a table made of the Manifest, so that a path without a route costs no process.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar
from urllib.parse import unquote_to_bytes

from reactor.definitions.manifest import RouteManifest
from reactor.errors import DefinitionError

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
RESERVED = "/.files"

_PARAMETER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True, slots=True)
class Pattern:
    """A path, a path with parameters, or a prefix. Made by `of_path` and `of_prefix`."""

    text: str  # as it was declared
    segments: tuple[str | None, ...]  # None: any segment that is not empty
    parameters: tuple[str, ...] = ()  # names of those, in order
    is_prefix: bool = False

    @classmethod
    def of_path(cls, text: str) -> Pattern:
        """Raises DefinitionError."""
        _check(text)
        segments: list[str | None] = []
        names: list[str] = []
        for segment in text.split("/")[1:]:
            if (match := _PARAMETER.fullmatch(segment)) is not None:
                if match[1] in names:
                    raise DefinitionError(f'The HTTP route "{text}" has two parameters called {match[1]}.')
                names.append(match[1])
                segments.append(None)
            elif "{" in segment or "}" in segment:
                raise DefinitionError(
                    f'The HTTP route "{text}": a parameter is a whole segment, like /images/{{image_id}}. Take the '
                    f"rest of `{segment}` apart in the handler."
                )
            else:
                segments.append(segment)
        return cls(text, tuple(segments), tuple(names))

    @classmethod
    def of_prefix(cls, text: str) -> Pattern:
        """Raises DefinitionError."""
        _check(text)
        if not text.endswith("/"):
            raise DefinitionError(f'The prefix "{text}" of an HTTP route must end with `/`.')
        if "{" in text or "}" in text:
            raise DefinitionError(f'The prefix "{text}" of an HTTP route has a parameter; only whole paths can.')
        return cls(text, tuple(text.split("/")[1:-1]), is_prefix=True)

    @property
    def shape(self) -> tuple[tuple[str | None, ...], bool]:
        """Equal for patterns that match the same paths."""
        return self.segments, self.is_prefix

    def match(self, segments: Sequence[str]) -> dict[str, str] | None:
        """The parameters when the path has this pattern, else None."""
        own = self.segments
        if len(segments) <= len(own) if self.is_prefix else len(segments) != len(own):
            return None
        values = []
        for mine, theirs in zip(own, segments, strict=False):
            if mine is None and theirs:
                values.append(theirs)
            elif mine != theirs:
                return None
        return dict(zip(self.parameters, values, strict=True))


class Routed(Protocol):
    """What a table holds."""

    @property
    def method(self) -> str: ...
    @property
    def pattern(self) -> Pattern: ...


R = TypeVar("R", bound=Routed)


@dataclass(frozen=True, slots=True)
class Match(Generic[R]):
    """The route that answers, and the parameters in the path."""

    route: R
    parameters: dict[str, str]


@dataclass(frozen=True, slots=True)
class NoRoute:
    """Nobody answers, and what is said instead."""

    status: int
    text: str
    headers: dict[str, str] = field(default_factory=dict)


NOT_ENABLED = NoRoute(404, "This deployment does not have HTTP actions enabled.")
"""Of a project without a router."""


@dataclass(frozen=True, slots=True)
class ManifestRoute:
    """A route as the server knows it."""

    method: str
    pattern: Pattern

    @classmethod
    def of(cls, route: RouteManifest) -> ManifestRoute:
        """Its pattern was checked where it was declared."""
        return cls(route.method, Pattern.of_prefix(route.path) if route.is_prefix else Pattern.of_path(route.path))


@dataclass(frozen=True, slots=True)
class RouteTable(Generic[R]):
    """All routes of a bundle, first come first served."""

    routes: tuple[R, ...] = field(default=())

    @classmethod
    def of(cls, routes: Iterable[R]) -> RouteTable[R]:
        """The table of these routes, in the order they are tried."""
        return cls(tuple(sorted(routes, key=_rank)))

    def find(self, method: str, raw_path: bytes) -> Match[R] | NoRoute:
        """Who answers this method of a path, given as it was sent, without its query."""
        segments = _segments(raw_path)
        if segments is None or segments[0].startswith(RESERVED[1:]):
            return _no_route(raw_path)
        wanted = "GET" if method == "HEAD" else method
        allowed: list[str] = []
        for route in self.routes:
            parameters = route.pattern.match(segments)
            if parameters is None:
                continue
            if route.method == wanted:
                return Match(route, parameters)
            allowed.append(route.method)
        return _not_allowed(method, raw_path, allowed) if allowed else _no_route(raw_path)


def _no_route(raw_path: bytes) -> NoRoute:
    return NoRoute(404, f"No HttpAction routed for {_shown(raw_path)}")


def _not_allowed(method: str, raw_path: bytes, allowed: Sequence[str]) -> NoRoute:
    names = [name for name in METHODS if name in allowed]
    names[1:1] = ["HEAD"] if names[0] == "GET" else []
    return NoRoute(405, f"{method} is not allowed at {_shown(raw_path)}", {"Allow": ", ".join(names)})


def _shown(raw_path: bytes) -> str:
    return raw_path.decode("ascii", "backslashreplace")


def _rank(route: Routed) -> tuple[bool, tuple[bool, ...], int]:
    """Whole paths first, those with a literal segment before those with a parameter there; then long prefixes."""
    pattern = route.pattern
    if pattern.is_prefix:
        return True, (), -len(pattern.text)
    return False, tuple(segment is None for segment in pattern.segments), 0


def _segments(raw_path: bytes) -> list[str] | None:
    """None for a path that is no text."""
    try:
        return [unquote_to_bytes(segment).decode() for segment in raw_path.split(b"/")[1:]] or [""]
    except UnicodeDecodeError:
        return None


def _check(text: str) -> None:
    if not text.startswith("/"):
        raise DefinitionError(f'The HTTP route "{text}" must start with `/`.')
    if text.startswith(RESERVED):
        raise DefinitionError(f'The HTTP route "{text}": paths that begin with {RESERVED} are reserved.')
    if "?" in text or "#" in text:
        raise DefinitionError(f'The HTTP route "{text}" is more than a path: the query is in request.query_params.')
