"""The OpenAPI description: valid by the standard's own schema, true of a real server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from codegen import openapi
from reactor.auth.provider import CustomJwt
from reactor.definitions.manifest import Manifest, RouteManifest
from tests.codegen.manifests import MANIFEST
from tests.support import Project, serving

ROUTES = (
    RouteManifest("GET", "/images/{image_id}", doc="One image.\n\nAs bytes."),
    RouteManifest("DELETE", "/images/{image_id}"),
    RouteManifest("POST", "/hooks/", is_prefix=True),
)
FULL = Manifest(
    MANIFEST.functions,
    MANIFEST.tables,
    ROUTES,
    (),
    (CustomJwt(issuer="https://a", jwks="https://a/k", algorithm="ES256"),),
)


@pytest.mark.parametrize("manifest", [Manifest(), MANIFEST, FULL], ids=["empty", "functions", "all"])
def test_the_description_is_valid(manifest: Manifest) -> None:
    OpenAPIV31SpecValidator(openapi.render(manifest, title="t")).validate()


def test_only_what_clients_may_call_is_in_it() -> None:
    paths = openapi.render(FULL, title="t")["paths"]
    assert "/api/run/notes/add" in paths
    assert "/api/run/deep/er/module/run" in paths
    assert not any("jobs" in path for path in paths)
    assert sorted(paths["/http/images/{image_id}"]) == ["delete", "get"]
    assert paths["/http/images/{image_id}"]["get"]["summary"] == "One image."
    assert paths["/http/hooks/{rest}"]["post"]["parameters"][0]["name"] == "rest"


def test_every_type_has_a_schema() -> None:
    described = openapi.render(FULL, title="t")
    every = described["paths"]["/api/run/notes/every"]["post"]["responses"]["200"]
    value = every["content"]["application/json"]["schema"]["oneOf"][0]["properties"]["value"]["properties"]
    assert value["big"] == {"type": "string", "format": "int64"}
    assert value["bytes"] == {"type": "string", "contentEncoding": "base64"}
    assert value["one"] == {"enum": [1, 2.5, True, "7", 'say "hi"']}
    assert value["few"] == {
        "type": "object",
        "additionalProperties": {"type": "number"},
        "propertyNames": {"enum": ["a", "b"]},
    }
    assert value["never"] == {"not": {}}
    note = described["components"]["schemas"]["notes"]
    assert note["properties"]["deletedAt"] == {"anyOf": [{"type": "number"}, {"type": "null"}]}
    assert "title" not in note["required"]
    assert described["security"] == [{}, {"user": []}]


PROJECT: dict[str, Any] = {
    "schema": """
        from reactor import Int64, Table

        class Item(Table, name="items"):
            size: Int64
            data: bytes
            note: str | None = None
        """,
    "functions": {
        "items": """
            from reactor import AppError, Id, Int64, MutationCtx, QueryCtx, internal_query, mutation, query
            from schema import Item

            @mutation
            def add_item(ctx: MutationCtx, item_size: Int64, data: bytes, note: str | None = None) -> Item:
                if item_size < 0:
                    raise AppError({"code": "negative"})
                found = ctx.db.get(ctx.db.insert(Item(size=item_size, data=data, note=note)))
                assert found is not None
                return found

            @query
            def count(ctx: QueryCtx) -> int:
                return len(ctx.db.query(Item).collect())

            @internal_query
            def secret(ctx: QueryCtx) -> int:
                return 1
            """,
        "http": """
            from reactor import ActionCtx, HttpRouter, Request, Response

            http = HttpRouter()

            @http.route("/hello/{name}")
            async def hello(ctx: ActionCtx, request: Request) -> Response:
                return Response(request.path_params["name"])
            """,
    },
}


def schema_at(described: dict[str, Any], schema: dict[str, Any]) -> Draft202012Validator:
    """A schema of the description, its references resolved there."""
    return Draft202012Validator({**described, **schema})


def test_a_call_made_from_the_description_is_answered_as_it_says(tmp_path: Path) -> None:
    """Reference §2.2: POST /api/run/{module}/{function}; in development the description is open."""
    with serving(Project(tmp_path / "project", **PROJECT), "dev") as server, httpx.Client(base_url=server.url) as http:
        described = http.get("/api/openapi.json").json()
        OpenAPIV31SpecValidator(described).validate()
        assert described["info"]["title"] == "reactor"
        (address,) = [
            path
            for path, item in described["paths"].items()
            if item.get("post", {}).get("x-reactor-kind") == "mutation"
        ]
        operation = described["paths"][address]["post"]
        body = operation["requestBody"]["content"]["application/json"]["schema"]
        answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
        for size, status in (("AQAAAAAAAAA=", "success"), ("//////////8=", "error")):
            sent = {"args": {"itemSize": {"$integer": size}, "data": {"$bytes": "AP8="}}}
            schema_at(described, body).validate(sent)
            told = http.post(address, json=sent).json()
            schema_at(described, answer).validate(told)
            assert told["status"] == status
        assert not schema_at(described, body).is_valid({"args": {"itemSize": 3, "data": "AP8="}})
        refused = http.post(address, json={"args": []})
        assert refused.status_code == 400
        schema_at(described, operation["responses"]["default"]["content"]["application/json"]["schema"]).validate(
            refused.json()
        )
        (route,) = [path for path in described["paths"] if path.startswith("/http/")]
        assert http.get(route.format(name="ann")).text == "ann"


def test_in_production_the_description_is_the_operators(tmp_path: Path) -> None:
    project = Project(tmp_path / "project", **PROJECT)
    with serving(project, "serve") as server, httpx.Client(base_url=server.url) as http:
        refused = http.get("/api/openapi.json")
        assert (refused.status_code, refused.json()["code"]) == (403, "BadDeployKey")
        described = http.get("/api/openapi.json", headers={"Authorization": f"Convex {server.admin_key}"})
        assert "/api/run/items/addItem" in described.json()["paths"]
        printed = json.loads(server.run("openapi").stdout)
        assert printed["paths"] == described.json()["paths"]
