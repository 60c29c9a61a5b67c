"""FunctionList: the functions of a server, internal ones too, found by how they are spelt here or on the wire."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from reactor.errors import NotFound
from reactor.execution.frames import Kind
from reactor.values.names import wire_name


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the server."""

    path: str
    kind: Kind

    @property
    def writes(self) -> bool:
        """Whether calling it may change something."""
        return self.kind != "query"


class FunctionList:
    """What there is to call."""

    def __init__(self, spec: Iterable[Mapping[str, Any]]) -> None:
        """`spec` is as `npx convex function-spec` tells it."""
        found = (
            Function(each["identifier"].replace(".js:", ":"), cast("Kind", each["functionType"].lower()))
            for each in spec
        )
        self._by_path = {function.path: function for function in found}

    def find(self, path: str) -> Function:
        """By `users:getCurrentUser` or `users:get_current_user`. Raises NotFound."""
        path = path.replace(".js:", ":")
        module, colon, name = path.rpartition(":")
        spelt = f"{module.replace('.', '/')}{colon}{wire_name(name)}"
        for each in (path, spelt):
            if each in self._by_path:
                return self._by_path[each]
        close = difflib.get_close_matches(spelt, self._by_path, n=3, cutoff=0.7)
        hint = f" Did you mean {' or '.join(close)}?" if close else ""
        raise NotFound("FunctionNotFound", f"There is no function {path!r} on this server.{hint}")
