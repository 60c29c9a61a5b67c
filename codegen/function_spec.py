"""The functions as `npx convex function-spec` tells them (reference §5.4): input for tools that generate clients."""

from __future__ import annotations

from typing import Any

from reactor.definitions.manifest import FunctionManifest, Manifest
from reactor.values.validator import AnyV, to_export

_TYPES = {"query": "Query", "mutation": "Mutation", "action": "Action"}


def function_spec(manifest: Manifest, url: str) -> dict[str, Any]:
    """The tree that becomes JSON. `url` is where the functions are served."""
    routes = [
        {
            "functionType": "HttpAction",
            "method": route.method,
            "path": f"{route.path}*" if route.is_prefix else route.path,
        }
        for route in manifest.routes or ()
    ]
    return {"url": url, "functions": [*map(_function, manifest.functions), *routes]}


def _function(function: FunctionManifest) -> dict[str, Any]:
    module, _, name = function.path.rpartition(":")
    return {
        "identifier": f"{module}.js:{name}",
        "functionType": _TYPES[function.kind],
        "visibility": {"kind": function.visibility},
        "args": to_export(function.args),
        "returns": to_export(AnyV() if function.returns is None else function.returns),
    }
