"""OpenAPI 3.1 of what a server answers over HTTP: its public functions, and the project's own routes.

A function is `POST /api/run/<module>/<function>`: arguments by name in, plain JSON out. Types are those of the schema and the
annotations; of a route only its method and path are known. Internal functions are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import orjson

from codegen.json_schema import JsonSchemas, Schema
from reactor.definitions.manifest import FunctionManifest, Manifest, RouteManifest
from reactor.values.validator import Field, IdV, NumberV, ObjectV

_FAILURE: Schema = {
    "type": "object",
    "description": "The function failed. `errorData` is what an AppError carried.",
    "properties": {
        "status": {"const": "error"},
        "errorMessage": {"type": "string"},
        "errorData": {},
        "logLines": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["status", "errorMessage"],
}
_REFUSAL: Schema = {
    "type": "object",
    "description": "The call was not run: it cannot be read, its credential does not hold, or the server is too busy.",
    "properties": {"code": {"type": "string"}, "message": {"type": "string"}},
    "required": ["code", "message"],
}
_PARAMETER = re.compile(r"\{(\w+)\}")


def render(manifest: Manifest, *, title: str, version: str = "0", server: str = "/") -> dict[str, Any]:
    """The description, ready for JSON; `server` is what its paths are below. The same Manifest always gives the same one."""
    schemas = JsonSchemas({table.name: _name(table.python_name or table.name) for table in manifest.tables})
    documents = {
        schemas.tables[table.name]: _document(table.document, table.name, schemas) for table in manifest.tables
    }
    public = sorted((f for f in manifest.functions if f.visibility == "public"), key=lambda f: f.path)
    paths: dict[str, Any] = {_address(function): {"post": _operation(function, schemas)} for function in public}
    for route in manifest.routes or ():
        address, operation = _route(route)
        paths.setdefault(address, {})[route.method.lower()] = operation
    components: dict[str, Any] = {"schemas": {"Failure": _FAILURE, "Refusal": _REFUSAL} | documents}
    whole: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "servers": [{"url": server}],
        "paths": paths,
        "components": components,
        "tags": [{"name": name} for name in sorted({_module(function) for function in public})],
    }
    if manifest.auth:
        components["securitySchemes"] = {"user": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
        whole["security"] = [{}, {"user": []}]  # which functions need a user is their own business
    return whole


def to_text(description: dict[str, Any]) -> str:
    """As a file."""
    return orjson.dumps(description, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


def _name(wanted: str) -> str:
    return f"{wanted}Document" if wanted in ("Failure", "Refusal") else wanted


def _document(document: ObjectV, table: str, schemas: JsonSchemas) -> Schema:
    rest = (each for each in document.fields if each.name not in ("_id", "_creationTime"))
    fields = (Field("_id", IdV(table)), Field("_creationTime", NumberV()), *rest)
    return {"description": f"A document of {table}."} | schemas.object(fields)


# ── functions ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _module(function: FunctionManifest) -> str:
    return function.path.rpartition(":")[0]


def _address(function: FunctionManifest) -> str:
    return f"/api/run/{function.path.replace(':', '/')}"


def _operation(function: FunctionManifest, schemas: JsonSchemas) -> dict[str, Any]:
    args = schemas.of(function.args, argument=True)
    needed = bool(args.get("required"))
    body = {"type": "object", "properties": {"args": args}} | ({"required": ["args"]} if needed else {})
    value = {} if function.returns is None else schemas.of(function.returns)
    success = {
        "type": "object",
        "properties": {
            "status": {"const": "success"},
            "value": value,
            "logLines": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["status", "value"],
    }
    return _told(function.doc) | {
        "operationId": function.path.replace("/", ".").replace(":", "."),
        "tags": [_module(function)],
        "x-reactor-kind": function.kind,
        "requestBody": {"required": needed, "content": {"application/json": {"schema": body}}},
        "responses": {
            "200": {
                "description": "What the function came to: `status` tells",
                "content": {"application/json": {"schema": {"oneOf": [success, _reference("Failure")]}}},
            },
            "default": {
                "description": "Not run",
                "content": {"application/json": {"schema": _reference("Refusal")}},
            },
        },
    }


def _told(doc: str) -> dict[str, str]:
    summary, _, rest = doc.strip().partition("\n")
    return ({"summary": summary} if summary else {}) | ({"description": rest.strip()} if rest.strip() else {})


def _reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


# ── routes ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _route(route: RouteManifest) -> tuple[str, dict[str, Any]]:
    pattern = f"{route.path}{{rest}}" if route.is_prefix else route.path
    address = f"/http{pattern}"
    operation: dict[str, Any] = {
        **_told(route.doc),
        "operationId": _slug(route.method, pattern),
        "tags": ["HTTP routes"],
        "responses": {"default": {"description": "What the route's handler answers"}},
    }
    if route.is_prefix:
        operation["description"] = f"Answers every path that begins with {route.path}: `rest` may have slashes."
    parameters = list(_parameters(_PARAMETER.findall(pattern)))
    if parameters:
        operation["parameters"] = parameters
    if route.method in ("POST", "PUT", "PATCH"):
        operation["requestBody"] = {"content": {"*/*": {"schema": {}}}}
    return address, operation


def _parameters(names: Iterable[str]) -> Iterable[dict[str, Any]]:
    for name in names:
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _slug(method: str, pattern: str) -> str:
    return "_".join(["http", method.lower(), *re.findall(r"\w+", pattern)])
