"""The files an official JavaScript client needs: `api.d.ts`, `api.js` and `dataModel.d.ts` (reference §5.3).

Every function is spelt out as a static `FunctionReference`, so no TypeScript source of it need exist. At run time `api`
is only a proxy that collects names: the types are all that differs from project to project.
"""

from __future__ import annotations

from codegen.api_types import api_declarations
from codegen.data_model import data_model_declarations
from codegen.type_text import TypeText
from reactor.definitions.manifest import Manifest

HEADER = """/* eslint-disable */
// Written by reactor from schema.py and functions/: edit those, not this file.

"""

API_JS = """import { anyApi } from "convex/server";

export const api = anyApi;
export const internal = anyApi;
"""


def render(manifest: Manifest) -> dict[str, str]:
    """File name → text. The same Manifest always gives the same text."""
    types = TypeText(frozenset(table.name for table in manifest.tables))
    return {
        "api.d.ts": HEADER + api_declarations(manifest.functions, types),
        "api.js": HEADER + API_JS,
        "dataModel.d.ts": HEADER + data_model_declarations(manifest.tables, types),
    }
