"""What an operator's tools ask about the code in force: system queries that a push meets (reference §5.2, §5.4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from reactor.database.catalog import BUNDLE_KEY, SYSTEM_INDEX
from reactor.database.reading import Reading
from reactor.footprint.key_range import KeyRange
from reactor.values.value import Value, from_json

if TYPE_CHECKING:
    from reactor.execution.bundle import Bundle


def api_spec(bundle: Bundle) -> Value:
    """Every function and HTTP route, as `npx convex function-spec` tells them."""
    from codegen.function_spec import function_spec  # here: runners seldom need what writes types

    return from_json(function_spec(bundle.manifest, "")["functions"])


def cloud_url(bundle: Bundle) -> Value:
    """Where clients find this server."""
    return bundle.built_in.get("CONVEX_CLOUD_URL")


FUNCTIONS: Mapping[str, Callable[[Bundle], Value]] = {
    "_system/cli/modules:apiSpec": api_spec,
    "_system/cli/convexUrl:cloudUrl": cloud_url,
}


def answer(bundle: Bundle, reading: Reading, path: str) -> Value:
    """What the function of that path says; whoever asked is met by the next push."""
    reading.reads.add(SYSTEM_INDEX, KeyRange.point(BUNDLE_KEY))
    return FUNCTIONS[path](bundle)
