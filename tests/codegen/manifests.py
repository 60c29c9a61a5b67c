"""A small project's Manifest with everything that has a type of its own."""

from __future__ import annotations

from reactor.definitions.manifest import FunctionManifest, Manifest, SearchManifest, TableManifest, VectorManifest
from reactor.values.int64 import Int64
from reactor.values.validator import (
    AnyV,
    ArrayV,
    BigIntV,
    BooleanV,
    BytesV,
    Field,
    IdV,
    LiteralV,
    NullV,
    NumberV,
    ObjectV,
    RecordV,
    StringV,
    UnionV,
    Validator,
)


def args(*fields: Field) -> ObjectV:
    return ObjectV(fields)


def optional(name: str, validator: Validator) -> Field:
    return Field(name, validator, optional=True)


def nullable(validator: Validator) -> UnionV:
    return UnionV((validator, NullV()))


def page_of(item: Validator) -> ObjectV:
    """As Page[…] is described."""
    return ObjectV(
        (
            Field("page", ArrayV(item)),
            Field("isDone", BooleanV()),
            Field("continueCursor", StringV()),
            optional("splitCursor", StringV()),
            optional("pageStatus", UnionV((LiteralV("SplitRecommended"), LiteralV("SplitRequired")))),
        )
    )


PAGINATION_OPTS = ObjectV(
    (
        Field("numItems", NumberV()),
        Field("cursor", nullable(StringV())),
        optional("endCursor", StringV()),
        optional("id", NumberV()),
        optional("maximumRowsRead", NumberV()),
        optional("maximumBytesRead", NumberV()),
    )
)

NOTE = ObjectV(
    (
        Field("_id", IdV("notes")),
        Field("_creationTime", NumberV()),
        Field("text", StringV()),
        Field("authorId", IdV("users")),
        optional("title", StringV()),
        Field("deletedAt", nullable(NumberV())),
        Field("kind", UnionV((LiteralV("memo"), LiteralV("task")))),
        Field("counts", RecordV(StringV(), NumberV())),
        Field("place", ObjectV((Field("x", NumberV()), optional("label", StringV())))),
        Field("content-type", StringV()),
    ),
    table="notes",
)
USER = ObjectV(
    (
        Field("_id", IdV("users")),
        Field("_creationTime", NumberV()),
        Field("name", StringV()),
        optional("pictureId", IdV("_storage")),
    ),
    table="users",
)

TABLES = (
    TableManifest(
        "notes",
        NOTE,
        indexes=(("by_author", ("authorId", "kind")), ("by_x", ("place.x",))),
        search_indexes=(SearchManifest("search_text", "text", ("authorId", "kind")), SearchManifest("plain", "text")),
        vector_indexes=(
            VectorManifest("by_embedding", "embedding", 1536, ("authorId", "kind")),
            VectorManifest("by_other", "place.vector", 2),
        ),
    ),
    TableManifest("users", USER),
)


def function(
    path: str,
    kind: str,
    arguments: Validator,
    returns: Validator | None,
    *,
    visibility: str = "public",
    doc: str = "",
) -> FunctionManifest:
    return FunctionManifest(path, path, kind, visibility, arguments, returns, doc)  # type: ignore[arg-type]


EVERYTHING = ObjectV(
    (
        Field("big", BigIntV()),
        Field("bytes", BytesV()),
        Field("anything", AnyV()),
        Field("nothing", NullV()),
        Field("flag", BooleanV()),
        Field("one", UnionV((LiteralV(1.0), LiteralV(2.5), LiteralV(True), LiteralV(Int64(7)), LiteralV('say "hi"')))),
        Field("few", RecordV(UnionV((LiteralV("a"), LiteralV("b"))), NumberV())),
        Field("byUser", RecordV(IdV("users"), ArrayV(nullable(StringV())))),
        Field("other", IdV("elsewhere")),
        Field("never", UnionV(())),
        Field(
            "shape",
            UnionV(
                (
                    ObjectV((Field("kind", LiteralV("circle")), Field("r", NumberV()))),
                    ObjectV((Field("kind", LiteralV("square")), Field("side", BigIntV()))),
                )
            ),
        ),
        optional("perhaps", nullable(StringV())),
        Field("grid", ArrayV(ArrayV(ObjectV((Field("at", RecordV(StringV(), ArrayV(BytesV()))),))))),
    )
)

MANIFEST = Manifest(
    functions=(
        function("a:b", "query", args(), StringV()),
        function("a/b:c", "query", args(), NumberV()),
        function("deep/er/module:run", "action", args(Field("input", AnyV())), None),
        function("jobs:clean", "mutation", args(optional("limit", NumberV())), NullV(), visibility="internal"),
        function(
            "notes:add",
            "mutation",
            args(Field("text", StringV()), optional("title", StringV()), Field("authorId", IdV("users"))),
            IdV("notes"),
            doc="Add a note.\n\n    Its text may say */ or `anything`.\n      - indented\n    ",
        ),
        function("notes:every", "query", args(), EVERYTHING),
        function("notes:get", "query", args(Field("id", IdV("notes"))), nullable(NOTE), doc="One note."),
        function("notes:list", "query", args(optional("limit", NumberV())), ArrayV(NOTE)),
        function("notes:page", "query", args(Field("paginationOpts", PAGINATION_OPTS)), page_of(NOTE)),
        function(
            "notes:pageOf",
            "query",
            args(Field("authorId", IdV("users")), Field("paginationOpts", PAGINATION_OPTS), optional("q", StringV())),
            page_of(ObjectV((Field("id", IdV("notes")), Field("short", StringV())))),
        ),
        function("notes:raw", "query", AnyV(), AnyV()),
    ),
    tables=TABLES,
)
