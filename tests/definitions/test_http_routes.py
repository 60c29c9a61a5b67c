"""Which route answers (reference §2.5, npm:src/server/router.ts): exact first, then the longest prefix."""

from __future__ import annotations

import pytest

from reactor.definitions.http import HttpRouter, Request
from reactor.definitions.http_routes import ManifestRoute, Match, NoRoute, Pattern, RouteTable
from reactor.definitions.manifest import Manifest, RouteManifest
from reactor.errors import DefinitionError


async def handler(ctx: object, request: Request) -> object: ...


def table(*paths: str) -> RouteTable[ManifestRoute]:
    """GET routes, prefixes where a path ends with `/*`; `POST /x` for another method."""
    routes = []
    for text in paths:
        method, _, path = ("", "", text) if text.startswith("/") else text.partition(" ")
        is_prefix = path.endswith("/*")
        routes.append(ManifestRoute.of(RouteManifest(method or "GET", path.removesuffix("*"), is_prefix)))
    return RouteTable.of(routes)


def found(routes: RouteTable[ManifestRoute], path: str, method: str = "GET") -> tuple[str, dict[str, str]] | int:
    match = routes.find(method, path.encode())
    return (match.route.pattern.text, match.parameters) if isinstance(match, Match) else match.status


def test_an_exact_path_goes_before_a_parameter_and_both_before_a_prefix() -> None:
    routes = table("/a/*", "/a/{id}", "/a/me")
    assert found(routes, "/a/me") == ("/a/me", {})
    assert found(routes, "/a/you") == ("/a/{id}", {"id": "you"})
    assert found(routes, "/a/you/x") == ("/a/", {})


def test_the_longest_prefix_wins() -> None:
    routes = table("/*", "/a/*", "/a/b/*", "/a/bc/*")
    assert found(routes, "/a/b/c") == ("/a/b/", {})
    assert found(routes, "/a/b/") == ("/a/b/", {})
    assert found(routes, "/a/b") == ("/a/", {})
    assert found(routes, "/a") == ("/", {})
    assert found(routes, "/") == ("/", {})


def test_a_literal_segment_goes_before_a_parameter_wherever_it_stands() -> None:
    routes = table("/{x}/b", "/a/{y}")
    assert found(routes, "/a/b") == ("/a/{y}", {"y": "b"})
    assert found(routes, "/c/b") == ("/{x}/b", {"x": "c"})


def test_a_parameter_is_one_segment_that_is_not_empty() -> None:
    routes = table("/u/{id}/posts/{post}")
    assert found(routes, "/u/1/posts/2") == ("/u/{id}/posts/{post}", {"id": "1", "post": "2"})
    for path in ("/u//posts/2", "/u/1/posts/", "/u/1/posts", "/u/1/2/posts/3"):
        assert found(routes, path) == 404


def test_each_segment_is_decoded_on_its_own() -> None:
    routes = table("/f/{name}", "/a b", "/*")
    assert found(routes, "/f/a%2Fb") == ("/f/{name}", {"name": "a/b"})
    assert found(routes, "/f/%C3%A9%20x") == ("/f/{name}", {"name": "é x"})
    assert found(routes, "/a%20b") == ("/a b", {})
    assert found(routes, "/f/..") == ("/f/{name}", {"name": ".."})
    assert found(routes, "/f/%FF") == 404  # no text


@pytest.mark.parametrize("path", ["//", "/x/%2e%2e/%2e%2e/etc/passwd", "/x%00", "/x;y", "/" + "x" * 16_000])
def test_odd_paths_are_names_like_any_other(path: str) -> None:
    """Reliability row 20: nothing is resolved, so nothing is left."""
    assert found(table("/x"), path) == 404
    assert found(table("/*"), path) == ("/", {})


def test_files_are_reserved() -> None:
    assert found(table("/*"), "/.files/x") == 404
    for declare in (Pattern.of_path, Pattern.of_prefix):
        with pytest.raises(DefinitionError, match="reserved"):
            declare("/.files/")


def test_another_method_is_told_which_there_are() -> None:
    routes = table("POST /a", "/a", "DELETE /{x}")
    refused = routes.find("PUT", b"/a")
    assert isinstance(refused, NoRoute)
    assert (refused.status, refused.headers) == (405, {"Allow": "GET, HEAD, POST, DELETE"})
    assert found(routes, "/a", "DELETE") == ("/{x}", {"x": "a"})
    assert found(routes, "/b", "BREW") == 405


def test_head_is_answered_by_the_get_route() -> None:
    """§2.5: HEAD is served by the GET route."""
    assert found(table("/a"), "/a", "HEAD") == ("/a", {})
    assert found(table("POST /a"), "/a", "HEAD") == 405


def test_no_route_has_the_official_text() -> None:
    refused = table("/a").find("GET", b"/b%0D/c")
    assert isinstance(refused, NoRoute)
    assert refused.text == "No HttpAction routed for /b%0D/c"


@pytest.mark.parametrize(
    ("path", "prefix", "methods", "text"),
    [
        ("a", None, ["GET"], "must start with"),
        (None, "/a", ["GET"], "must end with"),
        (None, "/{a}/", ["GET"], "only whole paths can"),
        ("/a-{b}", None, ["GET"], "whole segment"),
        ("/{b:int}", None, ["GET"], "whole segment"),
        ("/{b}/{b}", None, ["GET"], "two parameters called b"),
        ("/a?b", None, ["GET"], "more than a path"),
        ("/a", "/b/", ["GET"], "a path or a prefix"),
        (None, None, ["GET"], "a path or a prefix"),
        ("/a", None, [], "is empty"),
        ("/a", None, "GET", "list of names"),
        ("/a", None, ["HEAD"], "answered by the GET route"),
        ("/a", None, ["TRACE"], "cannot be routed"),
    ],
)
def test_what_cannot_be_routed_is_refused_where_it_is_declared(
    path: str | None, prefix: str | None, methods: list[str], text: str
) -> None:
    places = () if path is None else (path,)
    with pytest.raises(DefinitionError, match=text):
        HttpRouter().route(*places, prefix=prefix, methods=methods)  # type: ignore[call-overload]


def test_two_routes_for_the_same_requests_are_refused() -> None:
    http = HttpRouter()
    http.route("/u/{id}")(handler)  # type: ignore[arg-type]
    http.route("/u/{name}", methods=("POST",))(handler)  # type: ignore[arg-type]
    with pytest.raises(DefinitionError, match=r"GET /u/\{name\} is declared twice \(it is /u/\{id\} too\)"):
        http.route("/u/{name}")(handler)  # type: ignore[arg-type]


def test_only_functions_answer() -> None:
    with pytest.raises(DefinitionError, match="must be answered by a function"):
        HttpRouter().route("/a")(len)


def test_routes_are_part_of_the_manifest() -> None:
    manifest = Manifest(routes=(RouteManifest("GET", "/a/", True), RouteManifest("POST", "/a/{b}")))
    assert Manifest.from_bytes(manifest.to_bytes()) == manifest
    assert Manifest.from_bytes(Manifest().to_bytes()).routes is None
